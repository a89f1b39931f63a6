"""Every error SayWhere raises on purpose: one sentence that says what to do next.

    CaptionerError
    |-- PhotoError        the file is no photo that can be read, or is too large or too small
    |-- VocabularyError   words and ids do not belong together
    |-- EncoderError      unknown encoder, or a photo size it cannot see
    |-- DecoderError      dimensions that do not fit
    |-- SearchError       beam search was asked for something impossible
    |-- CheckpointError   the model file is missing, altered, truncated or foreign
    |-- RecordError       a saved caption cannot be read back
    |-- DataError         a training or evaluation data set is incomplete, or its tools are missing
    `-- ServingError      a cluster or another machine that captions is not there, or cannot do what is asked

All are `ValueError`s: the caller gave something that cannot be used as it is.
"""


class CaptionerError(ValueError):
    """Base of all errors whose message is written for the person who made the call."""


class PhotoError(CaptionerError):
    """The given file cannot be used as a photo."""


class VocabularyError(CaptionerError):
    """Words and token ids do not belong together."""


class EncoderError(CaptionerError):
    """The encoder is unknown or cannot see pixels of this size."""


class DecoderError(CaptionerError):
    """The decoder's dimensions do not fit."""


class SearchError(CaptionerError):
    """Beam search was asked for something impossible."""


class CheckpointError(CaptionerError):
    """The model file is missing, altered, truncated or foreign."""


class RecordError(CaptionerError):
    """A saved caption cannot be read back."""


class DataError(CaptionerError):
    """A data set is incomplete, or a tool its scoring needs is missing."""


class ServingError(CaptionerError):
    """A cluster or another machine that captions is not there, or cannot do what is asked."""
