"""Who may see what: links that nobody can guess, and signed forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Access:
    """Tokens of the participants and the organiser, and signatures of forms.

    All tokens come from one secret, so that links stay the same when the server
    starts again, and no list of tokens has to be kept.

    Parameters
    ----------
    secret : bytes
        At least 32 bytes that nobody else has.
    participants : sequence of str
        Who has a link.
    """

    def __init__(self, secret: bytes, participants: Sequence[str]) -> None:
        if len(secret) < 32:
            raise ValueError(f"The secret has {len(secret)} bytes; it needs 32.")
        self._secret = secret
        self._participants = {
            _digest(self.participant_token(who)): who for who in participants
        }

    def participant_token(self, participant: str) -> str:
        """Return the token in a participant's link."""
        return self._token("participant", participant)

    @property
    def organiser_token(self) -> str:
        """The token in the organiser's link."""
        return self._token("organiser", "")

    def participant(self, token: str) -> str | None:
        """Return whose token this is; None if nobody's."""
        # Compared by a hash, so that the time taken says nothing about the token.
        return self._participants.get(_digest(token))

    def is_organiser(self, token: str) -> bool:
        """Tell whether this is the organiser's token."""
        return hmac.compare_digest(_digest(token), _digest(self.organiser_token))

    def sign(self, participant: str, content: dict[str, Any]) -> str:
        """Return what a form has to send back: its content and a signature."""
        payload = _encode(json.dumps(content, sort_keys=True).encode())
        return f"{payload}.{self._token('form', f'{participant}/{payload}')}"

    def unsign(self, participant: str, ticket: str) -> dict[str, Any] | None:
        """Return the content of a form; None if it was not made for this person."""
        payload, _, signature = ticket.partition(".")
        expected = self._token("form", f"{participant}/{payload}")
        if not hmac.compare_digest(_digest(signature), _digest(expected)):
            return None
        content: dict[str, Any] = json.loads(_decode(payload))
        return content

    def _token(self, purpose: str, subject: str) -> str:
        message = f"{purpose}\0{subject}".encode("utf-8", "surrogatepass")
        return _encode(hmac.digest(self._secret, message, "sha256")[:18])


def read_secret(path: Path) -> bytes:
    """Read the secret of a store, or make one that only its owner can read.

    Raises
    ------
    ValueError
        If the file is not a secret, or if others can read it.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32) + "\n")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ValueError(
            f"Others can read {path}, from which all links are made. Make it private "
            f"(chmod 600 {path.name}), or remove it: all links then change."
        )
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise ValueError(f"{path} does not hold a secret.") from error
    return secret


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
