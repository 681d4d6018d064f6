"""Why no complete answer came, in words without addresses: one may be long, and a proxy's may contain a password."""

from __future__ import annotations

import os

import aiohttp

from rxcandles.errors import CertificateError, ConnectionFailedError

__all__ = ["connection_failure", "shown_cause"]


def connection_failure(error: Exception, what: str, *, timeout: float, connect_timeout: float) -> ConnectionFailedError:
    """Return an error of the HTTP client as one of ours; ``what`` says what was asked, and of whom."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", None) or type(error.certificate_error).__name__
        return CertificateError(
            f"{what}: TLS failed, for its certificate can't be trusted: {why.rstrip('.')}. Nothing was sent. Check the "
            "address and this machine's clock; a CA of your own is trusted where SSL_CERT_FILE or the session names it"
        )
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return CertificateError(f"{what}: TLS failed, for its certificate is not the one that the session expects")
    why = _reason(error, timeout, connect_timeout)
    failed = ConnectionFailedError(f"{what}: {why}")
    failed.why = why
    return failed


def shown_cause(error: Exception) -> Exception | None:
    """Return an error of the HTTP client as the cause of ours; None for one that quotes the address of a proxy."""
    return None if isinstance(error, aiohttp.ClientHttpProxyError) else error


def _reason(error: Exception, timeout: float, connect_timeout: float) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {connect_timeout:g} s"
    if isinstance(error, TimeoutError):
        return f"nothing whole within {timeout:g} s"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"TLS failed ({getattr(error.os_error, 'reason', None) or type(error).__name__})"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name can't be resolved"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy can't be reached ({os.strerror(error.errno) if error.errno else type(error).__name__})"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return "it is no HTTP, or its headers are too long"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "it was cut short or garbled"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return type(error).__name__
