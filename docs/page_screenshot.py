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

import skimage
from PIL import Image
from playwright.sync_api import sync_playwright

from emolens.analyzer import Analyzer
from emolens.server.app import create_app
from emolens.server.running import open_socket, server_of

PHOTO = Path(skimage.__file__).parent / "data" / "astronaut.png"
TARGET = Path(__file__).with_name("page.png")


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
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(TARGET, optimize=True)


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


if __name__ == "__main__":
    main()
