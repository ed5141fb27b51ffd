"""One colour contract for every way in: a red left and a blue right stay where they are and what they are."""

from __future__ import annotations

import base64
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from emolens.errors import InputError, NotFound, OptionError, TooLarge, TooSmall, Unreadable, Unsupported
from emolens.pictures.images import open_image
from emolens.pictures.limits import Limits

HEIGHT, WIDTH = 32, 48
RED, BLUE = (250, 10, 20), (20, 10, 250)


def red_and_blue() -> np.ndarray:
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2], picture[:, WIDTH // 2 :] = RED, BLUE
    return picture


def encoded(format_name: str, picture: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (picture or Image.fromarray(red_and_blue())).save(out, format_name, **options)
    return out.getvalue()


def assert_red_and_blue(pixels: np.ndarray, tolerance: int = 0) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.flags["C_CONTIGUOUS"]
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    difference = np.abs(pixels.astype(int) - red_and_blue())
    # JPEG and its like mix colours across the seam.
    seam = slice(WIDTH // 2 - 8, WIDTH // 2 + 8) if tolerance else slice(0, 0)
    difference[:, seam] = 0
    assert difference.max() <= tolerance


ENCODED = {
    "png": (lambda: encoded("PNG"), 0),
    "bmp": (lambda: encoded("BMP"), 0),
    "gif": (lambda: encoded("GIF"), 0),
    "tiff": (lambda: encoded("TIFF"), 0),
    "tiff_lzw": (lambda: encoded("TIFF", compression="tiff_lzw"), 0),
    "webp": (lambda: encoded("WEBP", lossless=True), 0),
    "webp_lossy": (lambda: encoded("WEBP", quality=90), 12),
    "jpeg": (lambda: encoded("JPEG", quality=95), 8),
    "jpeg_progressive": (lambda: encoded("JPEG", quality=95, progressive=True), 8),
    "mpo": (lambda: encoded("MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))], quality=95), 8),
    "avif": (lambda: encoded("AVIF", quality=95), 12),
}


@pytest.fixture(params=ENCODED)
def blob(request: pytest.FixtureRequest) -> tuple[bytes, int]:
    make, tolerance = ENCODED[request.param]
    try:
        return make(), tolerance
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {request.param}")


def test_files_of_every_format(blob, tmp_path):
    data, tolerance = blob
    file = tmp_path / "picture.dat"  # the suffix says nothing, the first bytes do
    file.write_bytes(data)
    assert_red_and_blue(open_image(file), tolerance)
    assert_red_and_blue(open_image(str(file)), tolerance)
    with file.open("rb") as opened:
        assert_red_and_blue(open_image(opened), tolerance)


def test_bytes_of_every_format(blob):
    data, tolerance = blob
    assert_red_and_blue(open_image(data), tolerance)
    assert_red_and_blue(open_image(bytearray(data)), tolerance)
    assert_red_and_blue(open_image(memoryview(data)), tolerance)
    assert_red_and_blue(open_image(io.BytesIO(data)), tolerance)
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    assert_red_and_blue(open_image(uri), tolerance)


def test_a_buffer_that_was_just_written_is_read_from_its_start():
    out = io.BytesIO()
    Image.fromarray(red_and_blue()).save(out, "PNG")
    assert_red_and_blue(open_image(out))


def test_heic():
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(Image.fromarray(red_and_blue())).save(out, quality=95)
    assert_red_and_blue(open_image(out.getvalue()), 12)


def test_heic_without_the_plugin_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(Unreadable, match=r"pip install 'emolens\[heic\]'"):
        open_image(b"\0\0\0\x18ftypheic" + bytes(40))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "YCbCr", "HSV", "LAB"])
def test_pil_images_of_colour_modes(mode):
    picture = Image.fromarray(red_and_blue())
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    else:
        picture = picture.convert(mode)
    assert_red_and_blue(open_image(picture), 0 if mode.startswith("RGB") else 9)


def test_palette_png_with_and_without_transparency():
    palette = Image.fromarray(red_and_blue()).quantize(2)
    assert_red_and_blue(open_image(encoded("PNG", palette)))
    right = palette.getpixel((WIDTH - 1, 0))
    pixels = open_image(encoded("PNG", palette, transparency=right))
    assert tuple(pixels[0, 0]) == RED
    assert tuple(pixels[0, -1]) == (255, 255, 255)


def test_transparent_parts_lie_on_white():
    rgba = np.dstack([red_and_blue(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    rgba[:, : WIDTH // 2, 3] = 51  # a fifth: 0.2 * 250 + 0.8 * 255 = 254, 0.2 * 10 + 204 = 206, 0.2 * 20 + 204 = 208
    for source in (rgba, Image.fromarray(rgba), encoded("PNG", Image.fromarray(rgba))):
        pixels = open_image(source)
        assert tuple(pixels[0, 0]) == (254, 206, 208)
        assert tuple(pixels[0, -1]) == BLUE


def test_grey_with_alpha():
    grey = Image.merge("LA", [Image.new("L", (WIDTH, HEIGHT), 100), Image.new("L", (WIDTH, HEIGHT), 0)])
    assert (open_image(encoded("PNG", grey)) == 255).all()


def test_transparent_colour_of_an_rgb_png():
    pixels = open_image(encoded("PNG", transparency=BLUE))
    assert tuple(pixels[0, 0]) == RED
    assert tuple(pixels[0, -1]) == (255, 255, 255)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_cmyk_tiff_and_jpeg(compression):
    cmyk = Image.fromarray(red_and_blue()).convert("CMYK")
    assert_red_and_blue(open_image(encoded("TIFF", cmyk, compression=compression)), 1)
    # Pillow writes CMYK JPEG as Adobe does, inverted, with the marker that says so.
    assert_red_and_blue(open_image(encoded("JPEG", cmyk, quality=95)), 10)


def test_ycck_jpeg():
    """Adobe's YCCK inverts the inks and writes three of them as YCbCr: so Y, Cb, Cr of 255 - RGB, and 255 - K.

    Pillow writes 255 - value for each of four planes without a transform; the marker is then set to YCCK by hand.
    """
    planes = Image.fromarray(255 - red_and_blue()).convert("YCbCr").split()
    stored = [Image.eval(plane, lambda value: 255 - value) for plane in planes]
    four = Image.merge("CMYK", [*stored, Image.new("L", (WIDTH, HEIGHT), 0)])
    data = encoded("JPEG", four, quality=95, subsampling=0)
    marker = data.index(b"Adobe") + 11
    assert data[marker] == 0
    assert_red_and_blue(open_image(data[:marker] + b"\x02" + data[marker + 1 :]), 10)


def test_sixteen_bits_are_scaled_not_clipped():
    levels = np.linspace(0, 65535, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH)
    expected = np.repeat((levels / 257.0 + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    for source in (encoded("PNG", Image.fromarray(levels)), encoded("TIFF", Image.fromarray(levels)), levels):
        np.testing.assert_array_equal(open_image(source), expected)


def test_sixteen_bit_colour_png():
    wide = red_and_blue().astype(">u2") * 257
    assert_red_and_blue(open_image(png(WIDTH, HEIGHT, wide.tobytes(), depth=16, colour=2)))


def test_sixteen_bit_colour_array():
    assert_red_and_blue(open_image(red_and_blue().astype(np.uint16) * 257))


def test_float_tiff_in_three_usual_ranges():
    levels = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    first = open_image(encoded("TIFF", Image.fromarray(levels)))
    assert first.min() == 0
    assert first.max() == 255
    for top in (255, 65535):
        other = open_image(encoded("TIFF", Image.fromarray(levels * np.float32(top))))
        assert np.abs(other.astype(int) - first).max() <= 1


def test_one_bit_and_bool():
    picture = np.zeros((HEIGHT, WIDTH), bool)
    picture[:, 5:] = True
    for source in (picture, encoded("PNG", Image.fromarray(picture)), encoded("TIFF", Image.fromarray(picture))):
        pixels = open_image(source)
        assert (pixels[:, :5] == 0).all()
        assert (pixels[:, 5:] == 255).all()


def test_arrays_in_both_orders():
    rgb = red_and_blue()
    assert open_image(rgb) is rgb
    assert_red_and_blue(open_image(rgb[..., ::-1], channel_order="bgr"))
    assert_red_and_blue(open_image(np.ascontiguousarray(rgb[..., ::-1]), channel_order="bgr"))
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    assert_red_and_blue(open_image(np.concatenate([rgb[..., ::-1], alpha], axis=2), channel_order="bgr"))
    assert_red_and_blue(open_image(np.asfortranarray(rgb)))
    for dtype in (np.float16, np.float32, np.float64):
        assert_red_and_blue(open_image((rgb / 255).astype(dtype)))


def test_files_know_their_own_order():
    assert_red_and_blue(open_image(encoded("PNG"), channel_order="bgr"))


def test_grey_arrays_with_and_without_a_channel_axis():
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint16).astype(np.uint8).reshape(HEIGHT, WIDTH)
    for source in (grey, grey[..., None], encoded("PNG", Image.fromarray(grey)), grey / 255):
        pixels = open_image(source)
        assert all((pixels[..., c] == grey).all() for c in range(3))


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((3, 40, 40), np.uint8), "transpose"),
        (np.zeros((2, 40, 40, 3), np.uint8), "allowed"),
        (np.zeros((40, 40, 2), np.uint8), "allowed"),
        (np.zeros((0, 40, 3), np.uint8), "no pixel"),
        (np.zeros((40, 40, 3), np.int64), "astype"),
        (np.full((40, 40, 3), 200.0), "divide by 255"),
        (np.full((40, 40, 3), np.nan), r"allowed: \[0, 1\]"),
        (np.full((40, 40), "x"), "allowed"),
    ],
)
def test_arrays_that_are_not_pictures(array, hint):
    with pytest.raises(Unreadable, match=hint):
        open_image(array)


def test_an_unknown_channel_order():
    with pytest.raises(OptionError, match="'rgb', 'bgr'"):
        open_image(red_and_blue(), channel_order="brg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_as_pillow_turns_it(orientation, format_name):
    noise = np.random.default_rng(orientation).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(format_name, Image.fromarray(noise), exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    pixels = open_image(data)
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.shape[:2] == ((WIDTH, HEIGHT) if orientation > 4 else (HEIGHT, WIDTH))
    np.testing.assert_array_equal(open_image(Image.open(io.BytesIO(data))), expected)


def test_a_broken_exif_block_does_not_cost_the_picture():
    exif = b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(range(40))
    assert open_image(encoded("JPEG", exif=exif)).shape == (HEIGHT, WIDTH, 3)


def test_the_first_frame_of_an_animation():
    other = Image.new("RGB", (WIDTH, HEIGHT), (0, 255, 0))
    for format_name in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if format_name == "WEBP" else {}
        data = encoded(format_name, save_all=True, append_images=[other], **options)
        assert_red_and_blue(open_image(data))


def test_a_colour_profile_that_is_not_srgb_is_applied():
    """Red and green change places in this profile, so a reader that ignores it shows green where red is meant."""
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (open_image(encoded("PNG", icc_profile=srgb)) == red_and_blue()).all()
    swapped = srgb.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    greenish = red_and_blue()[..., [1, 0, 2]]
    pixels = open_image(encoded("PNG", Image.fromarray(greenish), icc_profile=swapped))
    assert np.abs(pixels.astype(int) - red_and_blue()).max() <= 3
    assert open_image(encoded("PNG", icc_profile=b"not a profile")).shape == (HEIGHT, WIDTH, 3)


def test_the_same_file_is_the_same_array_as_pillow_reads():
    from skimage import data

    out = io.BytesIO()
    Image.fromarray(data.astronaut()).save(out, "JPEG")
    np.testing.assert_array_equal(open_image(out.getvalue()), np.asarray(Image.open(out).convert("RGB")))


# What is not a picture


def png(width: int, height: int, raw: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG by the book, so that its header may say what no encoder would write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = len(raw) // height if raw else 0
    lines = b"".join(b"\0" + raw[i * row : (i + 1) * row] for i in range(height)) if raw else b""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header():
    for width, height in ((20_000, 20_000), (2**31 - 1, 2**31 - 1), (60_000, 60_000)):
        with pytest.raises(TooLarge, match="100 million"):
            open_image(png(width, height))


def test_a_long_strip_is_allowed():
    assert open_image(png(20_000, 100, bytes(20_000 * 100 * 3))).shape == (100, 20_000, 3)


def test_one_pixel_is_too_small():
    for source in (
        png(1, 1, b"abc"),
        np.zeros((1, 1), np.uint8),
        Image.new("RGB", (1, 1)),
        encoded("JPEG", Image.new("L", (200, 3))),
    ):
        with pytest.raises(TooSmall, match="16 or more"):
            open_image(source)


def test_limits_are_the_callers():
    data = encoded("PNG")
    with pytest.raises(TooLarge, match="max_bytes"):
        open_image(data, limits=Limits(max_bytes=len(data) - 1))
    with pytest.raises(TooLarge, match="max_pixels"):
        open_image(data, limits=Limits(max_pixels=HEIGHT * WIDTH - 1))
    assert_red_and_blue(open_image(data, limits=Limits(max_bytes=len(data), max_pixels=HEIGHT * WIDTH)))
    with pytest.raises(OptionError, match="negative"):
        Limits(max_pixels=-1)


@pytest.mark.parametrize("name", [n for n in ENCODED if n not in ("mpo",)])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_an_error_not_a_grey_half(name, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    formats = {"webp_lossy": "WEBP", "webp": "WEBP", "tiff_lzw": "TIFF", "jpeg_progressive": "JPEG"}
    options = {
        "webp": {"lossless": True}, "tiff_lzw": {"compression": "tiff_lzw"}, "jpeg_progressive": {"progressive": True}
    }  # fmt: skip
    try:
        data = encoded(formats.get(name, name.upper()), noise, **options.get(name, {}))
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {name}")
    with pytest.raises(Unreadable):
        open_image(data[: int(len(data) * kept)])


def test_things_that_are_not_files(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture at all")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.png").write_bytes(encoded("PNG"))
    said = {
        "text.jpg": (Unreadable, "allowed: JPEG, PNG"),
        "empty.jpg": (Unreadable, r"empty \(0 bytes\)"),
        "missing.jpg": (NotFound, "no such file"),
        "missing/a.jpg": (NotFound, "no such file"),
        "text.jpg/a.jpg": (NotFound, "no such file"),
        "*.webp": (NotFound, "no file matches"),
        "folder": (NotFound, "without a picture"),
        "full": (Unreadable, "a folder, not a picture"),
        "a\0b": (Unreadable, "null"),
        "x" * 5000: (Unreadable, "too long"),
    }
    for name, (kind, text) in said.items():
        with pytest.raises(kind, match=text) as caught:
            open_image(f"{tmp_path}/{name}")
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < 400


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in the file system")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(Unreadable, match="pipe, socket or device"):
        open_image(tmp_path / "pipe.jpg")
    with pytest.raises(Unreadable, match="pipe, socket or device"):
        open_image(os.devnull)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encoded("PNG"))
    file.chmod(0)
    with pytest.raises(Unreadable, match="permission denied"):
        open_image(file)


@pytest.mark.parametrize("source", [None, 7, object(), ["a.jpg"], io.StringIO("text")])
def test_other_types(source):
    with pytest.raises(Unreadable, match=r"not a picture|not bytes"):
        open_image(source)


def test_a_closed_file(tmp_path):
    file = (tmp_path / "a").open("wb+")
    file.close()
    with pytest.raises(Unreadable, match="cannot be read"):
        open_image(file)


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x18ftypisom\0\0\2\0isommp42",
        b"\0\0\0\x14ftypqt  \0\0\2\0qt  ",
        b"\0\0\0\x08wide",
        b"\x1aE\xdf\xa3",
        b"RIFF\0\0\0\0AVI LIST",
    ],
)
def test_a_video_is_called_a_video(head):
    with pytest.raises(Unsupported, match="a video, not a picture; run 'emolens video'"):
        open_image(head + bytes(100))


def test_a_raw_photo_is_not_called_a_video():
    with pytest.raises(Unsupported, match="not a picture that can be read"):
        open_image(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100))


def test_a_heic_of_another_first_brand_is_one():
    """What decides is any of the brands: here the first is of a camera, and HEIC comes behind."""
    pytest.importorskip("pillow_heif")
    with pytest.raises(Unreadable, match="cannot be decoded"):
        open_image(b"\0\0\0\x18ftypabcd\0\0\0\0heicmif1" + bytes(100))


def test_messages_hold_no_content():
    secret = base64.b64encode(b"the content of the picture" * 1000).decode()
    with pytest.raises(Unreadable) as caught:
        open_image(f"data:image/png;base64,{secret}")
    assert len(str(caught.value)) < 250
    assert secret[:20] not in str(caught.value)
    for uri in ("data:image/png;base64,****", "data:image/png;base64", "data:,"):
        with pytest.raises(Unreadable):
            open_image(uri)


def test_a_data_uri_in_percent_form_and_with_line_breaks():
    from urllib.parse import quote

    data = encoded("PNG")
    assert_red_and_blue(open_image("data:image/png," + quote(data)))
    lines = base64.encodebytes(data).decode()
    assert_red_and_blue(open_image("DATA:image/png;base64,\n" + lines))
    assert_red_and_blue(open_image("data:image/png;base64," + base64.urlsafe_b64encode(data).decode().rstrip("=")))


def test_standard_input(tmp_path):
    code = "from emolens.pictures.images import open_image; print(open_image('-').shape)"
    said = subprocess.run([sys.executable, "-c", code], input=encoded("PNG"), capture_output=True, check=True)
    assert said.stdout.decode().strip() == str((HEIGHT, WIDTH, 3))


def test_pillows_global_settings_are_left_alone():
    from PIL import ImageFile

    def seen() -> tuple[object, ...]:
        return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, sorted(Image.OPEN), list(Image.ID)

    Image.init()
    before = seen()
    with pytest.raises(TooLarge):
        open_image(png(20_000, 20_000))
    assert_red_and_blue(open_image(encoded("PNG")))
    assert seen() == before


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = [encoded("JPEG"), encoded("PNG"), encoded("GIF"), encoded("TIFF"), encoded("BMP"), encoded("WEBP")]


@FUZZ
@given(st.binary(max_size=300), st.sampled_from([b"", *(seed[:12] for seed in SEEDS)]))
def test_random_bytes_raise_nothing_but_input_errors(tail, head):
    with pytest.raises(InputError):
        open_image(head + tail)


@FUZZ
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=4)), max_size=6))
def test_a_mutated_picture_is_read_or_refused(seed, changes):
    data = bytearray(seed)
    for place, patch in changes:
        place %= len(data)
        data[place : place + len(patch)] = patch
    try:
        pixels = open_image(bytes(data), limits=Limits(max_pixels=10**6))
    except InputError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3


def test_a_path_object_and_a_relative_path(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.chdir(tmp_path)
    assert_red_and_blue(open_image("a.png"))
    assert_red_and_blue(open_image(Path("a.png")))
