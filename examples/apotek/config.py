"""What the environment decides."""

import os

DATABASE_URL = os.environ.get("APOTEK_DATABASE_URL", "sqlite+aiosqlite:///apotek.db")
SECRET_KEY = os.environ.get("APOTEK_SECRET_KEY", "kunci-pengembangan-ganti-di-produksi-0123456789")
CALLBACK_KEY = os.environ.get("APOTEK_CALLBACK_KEY", "kunci-callback-ganti-di-produksi-9876543210")
CORS_ORIGINS = os.environ.get("APOTEK_CORS_ORIGINS", "http://localhost:5173").split(",")
TOKEN_SECONDS = 8 * 60 * 60
