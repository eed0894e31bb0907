"""The photo of a record: where it lies, whether it can be shown, and its bytes."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding
from svit_datasets.images.files import UPRIGHT, read_bytes, read_picture
from svit_datasets.images.photos import Photos, is_safe_path
from svit_datasets.images.stores import Place
from svit_datasets.viewer.index import Stored
from svit_datasets.viewer.shapes import Photo

# What browsers show, of what Pillow recognises; a photo's name says nothing of what it is.
CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
SUFFIXES = {
    content_type: f".{content_type.split('/')[1]}".replace("jpeg", "jpg") for content_type in CONTENT_TYPES.values()
}


class PhotoFile(NamedTuple):
    """A photo's original bytes and what they are."""

    content: bytes
    content_type: str


def find_photo(stored: Stored, photos: Photos) -> Place | Photo:
    """Return where a record's photo lies, or why there is none to show.

    Args:
        stored: The record.
        photos: Where to look. Only what lies there is ever found, whatever path the record tells.

    Returns:
        The place, or what the page says instead.
    """
    name = stored.image if stored.image is not None else "" if stored.image_id is None else f"{stored.image_id}.jpg"
    if not name:
        return Photo("none", message="The record names no image.")
    if stored.image is not None and not is_safe_path(stored.image):
        message = (
            "Its path leads out of the image folder, so it is not looked for. Make the path relative, without '..'."
        )
        return Photo("refused", message=message, name=name)
    roots = ", ".join(photos.names)
    if not roots:
        return Photo("missing", message="No images were given. Start again with --images ROOT.", name=name)
    place = photos.find(stored.image_id, stored.image)
    if place is None:
        return Photo("missing", place=roots, message=f"There is no {name} under {roots}.", name=name)
    return place


class Looked(NamedTuple):
    """What the page says of a photo, and its size in stored pixels as the file tells it."""

    photo: Photo
    size_wh: Size | None = None


def look_at_photo(stored: Stored, photos: Photos) -> Looked:
    """Return what the page shows of a record's photo; the photo is decoded once to know that it can be.

    Args:
        stored: The record.
        photos: Where to look.

    Returns:
        The photo, and its size where it decodes.
    """
    place = find_photo(stored, photos)
    if isinstance(place, Photo):
        return Looked(place)
    name = stored.image or f"{stored.image_id}.jpg"
    picture = read_picture(place.open)
    if isinstance(picture, Finding):
        message = f"It cannot be shown: {picture.found}. {picture.mend.capitalize()}."
        return Looked(Photo("unreadable", place=place.uri, message=message, name=name))
    if read_photo(place) is None:
        message = "Pillow opens it, but browsers do not show files of its kind."
        return Looked(Photo("unreadable", place=place.uri, message=message, name=name), picture.size_wh)
    turned = f"EXIF orientation {picture.orientation} is ignored: boxes are in stored pixels."
    message = "" if picture.orientation == UPRIGHT else turned
    return Looked(Photo("there", place.uri, message, name, f"photo/{stored.number}"), picture.size_wh)


def read_photo(place: Place) -> PhotoFile | None:
    """Return a photo's original bytes once Pillow has recognised them; None for anything that is no photo.

    Args:
        place: Where it lies.

    Returns:
        Bytes and content type.
    """
    content = read_bytes(place.open)
    if isinstance(content, Finding):
        return None
    content_type = CONTENT_TYPES.get(_recognise(content))
    return PhotoFile(content, content_type) if content_type else None


def without_orientation(file: PhotoFile) -> PhotoFile:
    """Return a photo that no browser turns: its stored pixels as a PNG where its EXIF tells to turn it, else itself.

    A page opened from a file may not keep the browser from turning photos.

    Args:
        file: The photo.

    Returns:
        The photo, untouched where it is upright.
    """
    from PIL import Image

    picture = read_picture(lambda: BytesIO(file.content))
    if isinstance(picture, Finding) or picture.orientation == UPRIGHT:
        return file
    target = BytesIO()
    with Image.open(BytesIO(file.content)) as image:
        image.convert("RGB").save(target, format="PNG")
    return PhotoFile(target.getvalue(), "image/png")


def _recognise(content: bytes) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content)) as image:
            return image.format or ""
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return ""
