"""Errors and warnings about audio files."""

import errno
import os
from typing import Any


class AudioWarning(UserWarning):
    """A problem of a recording that could be decoded."""


class AudioError(ValueError):
    """A file that cannot be decoded or saved; the base of the errors below."""


class UnreadableAudioError(AudioError):
    """The file is missing, a folder, a device, or not readable."""


class MissingAudioError(UnreadableAudioError, FileNotFoundError):
    """There is no such file.

    Parameters
    ----------
    message : str
        The text of the error.
    filename : str, optional
        The file that was looked for, an attribute as of any FileNotFoundError.
    """

    def __init__(self, message: str, filename: str | None = None) -> None:
        super().__init__(message)
        self.errno, self.strerror = errno.ENOENT, os.strerror(errno.ENOENT)
        self.filename = filename

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.filename)


class NotAudioError(AudioError):
    """The file contains no audio that can be decoded."""


class InvalidSamplesError(AudioError):
    """Samples are NaN, infinite, or out of range."""


class TooShortError(AudioError):
    """Fewer than two samples."""


class TooLongError(AudioError):
    """More samples than the limit on memory allows."""


class TruncatedAudioError(AudioError):
    """Part of the recording is missing, in strict mode."""
