"""The application: `uvicorn apotek.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text

from . import akun, config, dokter, laporan, log, obat, pasien, pembayaran, resep
from .db import Db, engine, sync_engine


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()
    sync_engine.dispose()


app = FastAPI(title="Apotek Sehat", version="1.4.0", lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=config.CORS_ORIGINS,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)
for modul in (akun, pasien, dokter, obat, resep, pembayaran, laporan, log):
    app.include_router(modul.router)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")


@app.get("/health", tags=["sistem"])
async def health(session: Db) -> dict[str, str]:
    await session.execute(text("SELECT 1"))
    return {"status": "ok"}
