"""GET /assets/NAME: what pages look like, and the one script; the same for everybody."""

from fastapi import APIRouter, HTTPException, Response

from service.templates import ASSETS, asset_hash

router = APIRouter()

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
          ".svg": "image/svg+xml"}  # fmt: skip


@router.get("/assets/{name}", include_in_schema=False)
def get_asset(name: str, v: str = "") -> Response:
    path = ASSETS / name
    if name not in {file.name for file in ASSETS.iterdir()} or path.suffix not in _TYPES:
        raise HTTPException(404, "no such asset")
    kept = "public, max-age=31536000, immutable" if v == asset_hash(name) else "no-cache"
    return Response(
        path.read_bytes(), media_type=_TYPES[path.suffix], headers={"Cache-Control": kept}
    )
