"""The media type of a file, by the end of its name.

A table of our own, the same on every machine and Python: the system's `mime.types` and the Windows registry are never asked, for a
type that changes with the host is a bug to some and a hole to others (`.js` as text/plain, an upload as text/html).
"""

from __future__ import annotations

__all__ = ["guess_media_type"]


def guess_media_type(filename: str) -> str:
    """Return the media type for a file name or path, such as `image/webp` or `text/css; charset=utf-8`.

    Only what follows the last dot counts, without regard to case. Text types say `charset=utf-8`. A name without a known ending, or
    with nothing in front of it (`.json`), is `application/octet-stream`.
    """
    stem, dot, ending = filename.rpartition(".")
    if not dot or not stem or stem[-1] in "/\\":
        return OCTETS
    return _TYPES.get(ending.lower(), OCTETS)


OCTETS = "application/octet-stream"

# By subject: the types of IANA's registry, where it has one.
_TEXTS = {
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html htm",
    "text/javascript": "js mjs cjs",  # RFC 9239
    "text/markdown": "md markdown",
    "text/plain": "txt text log ini cfg conf rst adoc",
    "text/tab-separated-values": "tsv",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
    "text/x-c": "c h",
    "text/x-c++": "cpp hpp cc",
    "text/x-python": "py pyi",
    "text/x-rust": "rs",
    "text/x-script.sh": "sh bash",
}
_BINARIES = {
    # documents
    "application/epub+zip": "epub",
    "application/msword": "doc dot",
    "application/pdf": "pdf",
    "application/postscript": "ps eps ai",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls xlt",
    "application/vnd.ms-excel.sheet.macroEnabled.12": "xlsm",
    "application/vnd.ms-powerpoint": "ppt pps",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/x-tex": "tex",
    # data
    "application/atom+xml": "atom",
    "application/geo+json": "geojson",
    "application/gpx+xml": "gpx",
    "application/json": "json map",
    "application/jsonl": "jsonl",
    "application/ld+json": "jsonld",
    "application/manifest+json": "webmanifest",
    "application/rss+xml": "rss",
    "application/sql": "sql",
    "application/toml": "toml",
    "application/vnd.apache.arrow.file": "arrow feather",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/vnd.sqlite3": "sqlite sqlite3 db",
    "application/x-hdf5": "h5 hdf5",
    "application/x-ipynb+json": "ipynb",
    "application/x-ndjson": "ndjson",
    "application/xhtml+xml": "xhtml xht",
    "application/xml": "xml xsd",
    "application/xslt+xml": "xsl xslt",
    "application/yaml": "yaml yml",  # RFC 9512
    "message/rfc822": "eml mht mhtml",
    # archives and programs
    "application/gzip": "gz tgz",
    "application/java-archive": "jar",
    "application/vnd.android.package-archive": "apk",
    "application/vnd.rar": "rar",
    "application/wasm": "wasm",
    "application/x-7z-compressed": "7z",
    "application/x-apple-diskimage": "dmg",
    "application/x-bzip2": "bz2",
    "application/x-tar": "tar",
    "application/x-xz": "xz",
    "application/zip": "zip whl",
    "application/zstd": "zst",
    # keys and certificates
    "application/pgp-signature": "asc sig",
    "application/pkcs8": "p8",
    "application/pkix-cert": "cer",
    "application/x-pem-file": "pem",
    "application/x-pkcs12": "p12 pfx",
    # fonts
    "application/vnd.ms-fontobject": "eot",
    "font/collection": "ttc",
    "font/otf": "otf",
    "font/ttf": "ttf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    # pictures
    "image/apng": "apng",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/jpeg": "jpg jpeg jpe jfif",
    "image/jxl": "jxl",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif tiff",
    "image/vnd.adobe.photoshop": "psd",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    # sound
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/midi": "mid midi",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3 mp2",
    "audio/ogg": "ogg oga opus",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/x-aiff": "aif aiff",
    # films
    "application/dash+xml": "mpd",
    "application/vnd.apple.mpegurl": "m3u8",
    "video/matroska": "mkv",
    "video/mp2t": "ts",
    "video/mp4": "mp4 m4v",
    "video/mpeg": "mpeg mpg",
    "video/ogg": "ogv",
    "video/quicktime": "mov qt",
    "video/webm": "webm",
    "video/x-msvideo": "avi",
    # three dimensions
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "model/stl": "stl",
    "model/vnd.usdz+zip": "usdz",
}
_TYPES = {
    **{ending: f"{name}; charset=utf-8" for name, endings in _TEXTS.items() for ending in endings.split()},
    **{ending: name for name, endings in _BINARIES.items() for ending in endings.split()},
}
