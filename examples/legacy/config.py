import os
from pathlib import Path

FOLDER = Path(__file__).parent
SECRET_KEY = os.environ.get("LEGACY_SECRET_KEY", "ganti-kunci-ini-di-server")
PAYMENT_KEY = os.environ.get("LEGACY_PAYMENT_KEY", "kunci-dari-gerbang-pembayaran")
MOBILE_ORIGINS = os.environ.get("LEGACY_MOBILE_ORIGINS", "https://app.sinarabadi.example").split(",")
