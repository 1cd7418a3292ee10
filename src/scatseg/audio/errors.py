"""Errors and warnings about audio files."""


class AudioWarning(UserWarning):
    """A problem of a recording that could be decoded."""


class AudioError(ValueError):
    """A file that cannot be decoded or saved; the base of the errors below."""


class UnreadableAudioError(AudioError):
    """The file is missing, a folder, a device, or not readable."""


class MissingAudioError(UnreadableAudioError, FileNotFoundError):
    """There is no such file."""


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
