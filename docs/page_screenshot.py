"""Makes docs/page.png: the page with the answer for scikit-image's astronaut, a photo of NASA in the public domain.

    python docs/page_screenshot.py

It starts the service in this process, opens the page in the chromium of this machine (or the one in EMOLENS_CHROMIUM),
gives it the photo and takes the picture; 256 colours keep it small.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path
from threading import Thread

import numpy as np
import skimage
from PIL import Image
from playwright.sync_api import sync_playwright
from scipy.spatial import cKDTree

from emolens.analyzer import Analyzer
from emolens.drawing.palette import COLOURS
from emolens.server.app import create_app
from emolens.server.running import open_socket, server_of

PHOTO = Path(skimage.__file__).parent / "data" / "astronaut.png"
TARGET = Path(__file__).with_name("page.png")
FLAT = 64  # of the 256 colours, those of the page: a palette made for the photo alone turns small green bars blue


def main() -> None:
    """Take the picture."""
    sock = open_socket("127.0.0.1", 0)
    server = server_of(create_app(Analyzer()))
    thread = Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        shot = taken(f"http://127.0.0.1:{sock.getsockname()[1]}/")
    finally:
        server.should_exit = True
        thread.join()
    small(Image.open(io.BytesIO(shot)).convert("RGB")).save(TARGET, optimize=True)


def taken(address: str) -> bytes:
    """The page at an address with the photo in it, as PNG."""
    browser_path = os.environ.get("EMOLENS_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 760}, color_scheme="light")
        page.goto(address)
        page.set_input_files("#files", PHOTO)
        page.wait_for_selector("#panel .card")
        shot = page.screenshot(full_page=True)
        browser.close()
    return shot


def small(picture: Image.Image) -> Image.Image:
    """The picture in 256 colours: those of emotions and the page's own to the digit, the photo's as near as may be."""
    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    flat = list(dict.fromkeys([*COLOURS.values(), *(colour for _, colour in counted)]))[:FLAT]
    photo = np.reshape(picture.quantize(256 - FLAT).getpalette(), (-1, 3))[: 256 - FLAT]
    palette = np.concatenate([flat, photo]).astype(np.uint8)
    found, where = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True)
    nearest = cKDTree(palette).query(found)[1].astype(np.uint8)[where.ravel()]  # Pillow's own search is not exact
    few = Image.fromarray(nearest.reshape(picture.height, picture.width))
    few.putpalette(palette.tobytes())
    return few


if __name__ == "__main__":
    main()
