"""Labelled images on disk: a folder for each class, tables, or the packed files of well-known collections."""

from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .packed import CIFAR10, CIFAR100, KMNIST, MNIST, FashionMNIST
from .table import ImageCSV, PixelCSV

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "IMG_EXTENSIONS",
    "KMNIST",
    "MNIST",
    "DatasetFolder",
    "FashionMNIST",
    "ImageCSV",
    "ImageFolder",
    "PixelCSV",
    "default_loader",
]
