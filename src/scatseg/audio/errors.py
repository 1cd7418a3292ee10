"""What can go wrong with a file, each kind under its own name."""


class AudioWarning(UserWarning):
    """Something about a recording that its user should know, though it could be decoded."""


class AudioError(ValueError):
    """A file that cannot be decoded or saved; the base of the errors below."""


class UnreadableAudioError(AudioError):
    """There is no file to read: it is missing, a folder, a device, or not ours to open."""


class NotAudioError(AudioError):
    """The file holds no audio that can be decoded."""


class InvalidSamplesError(AudioError):
    """Samples are not numbers, infinite, or beyond what can be processed or saved."""


class TooShortError(AudioError):
    """Fewer than two samples."""


class TooLongError(AudioError):
    """More samples than the limit on memory allows."""


class TruncatedAudioError(AudioError):
    """Part of the recording is missing, and the caller asked for all of it."""
