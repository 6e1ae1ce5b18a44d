"""JSON that passes through untouched: key order, big integers, number spelling, escapes."""

import msgspec


def compact(text: bytes) -> str:
    """Checks JSON text and removes insignificant white space, nothing else.

    Raises:
        ValueError: It is not JSON in UTF-8; the text says where it goes wrong.
    """
    try:
        decoded = text.decode()
        # `decode` checks what `format` does not: that nothing follows the value.
        msgspec.json.decode(text, type=msgspec.Raw)
        return msgspec.json.format(decoded, indent=-1)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error).removeprefix("JSON is malformed: ")) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
