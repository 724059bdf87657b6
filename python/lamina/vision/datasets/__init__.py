"""Labelled images on disk: a folder for each class, a table of file names, or a table of pixels."""

from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .table import ImageCSV, PixelCSV

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageCSV", "ImageFolder", "PixelCSV", "default_loader"]
