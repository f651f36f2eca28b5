"""What an error of the client means for us: one place that looks at codes and flags.

Rules:
    1. Flags before codes: fatal, abort required, retriable; but fenced is fenced whatever its flags say.
    2. An error of a transactional call becomes one of the engine's three ``LogError``s, unless trying again
       cannot help (credentials, permissions, a record that is too large): then it is a ``StreamFrameError``.
    3. ``SystemError`` out of the binding means that a fatal error is pending; asking the error object for
       details raises it too, so details are read by ``facts_of`` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from streamframe.core.errors import ConfigError, StreamFrameError, TopologyMismatch, Unavailable
from streamframe.engine.ports import LogError, OutcomeUnknown, ProducerFenced, TransactionAborted
from streamframe.kafka.codes import (
    AUTO_OFFSET_RESET,
    FATAL,
    FENCED_CODES,
    LOG_TRUNCATION,
    MISSING_TOPIC_CODES,
    PERMISSION_CODES,
    SETTING_CODES,
    STALE_MEMBER_CODES,
    STATE,
    TOO_LARGE_CODES,
    UNSUPPORTED_FEATURE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFacts:
    """An error of the client as a value.

    Attributes:
        code: librdkafka's number; negative ones are local.
        text: What it says.
        fatal: The client instance cannot go on.
        retriable: The same call may be made again.
        aborts: The transaction must be aborted.
    """

    code: int
    text: str
    fatal: bool = False
    retriable: bool = False
    aborts: bool = False


_NAME_TAKEN: Final = ("instance ID is still used", "same group.instance.id")

RESTART_HINT: Final = "nothing is lost; starting again continues where the last commit ended"


def facts_of(error: KafkaError | BaseException) -> ErrorFacts:
    """Return an error of the client, or the exception around it, as a value. Never raises."""
    if isinstance(error, KafkaException):
        error = error.args[0]
    if not isinstance(error, KafkaError):
        return ErrorFacts(code=FATAL, text=str(error) or type(error).__name__, fatal=True)
    try:
        return ErrorFacts(
            code=error.code(),
            text=f"{error.name()}: {error.str()}",
            fatal=error.fatal(),
            retriable=error.retriable(),
            aborts=error.txn_requires_abort(),
        )
    except SystemError:
        return ErrorFacts(code=FATAL, text="a fatal error is pending", fatal=True)


def as_error(error: KafkaError | BaseException, message: str, **where: object) -> StreamFrameError:
    """Return the error of ours that fits an error of a call outside transactions.

    Args:
        error: What the client raised or reported.
        message: What could not be done, in lower case.
        where: Names and values that identify the case.
    """
    facts = facts_of(error)
    where |= {"client": facts.text}
    if facts.code in PERMISSION_CODES:
        return ConfigError(message, hint="check the credentials and the permissions (acl) of this application", **where)
    if facts.code in SETTING_CODES:
        return ConfigError(
            message, hint="the broker or the client refuses a setting; see the text of the client", **where
        )
    if facts.code in TOO_LARGE_CODES:
        return ConfigError(message, hint="raise max.message.bytes of the topic", **where)
    if facts.code in MISSING_TOPIC_CODES:
        return TopologyMismatch(message, hint="create the topic, or check its name and number of partitions", **where)
    return Unavailable(message, hint=RESTART_HINT, **where)


def input_failure(error: KafkaError, **where: object) -> StreamFrameError | None:
    """Return the error that an error note of a consumer ends the work with, or ``None`` if it will pass.

    Args:
        error: The note; not the end of a partition.
        where: Topic and partition, if the note names them.
    """
    facts = facts_of(error)
    where |= {"client": facts.text}
    if facts.code in (AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        return TopologyMismatch(
            "committed offset is no longer in the log",
            hint="the topic's retention deleted records before they were read, or the topic was made anew; "
            "`streamframe reset` decides where to go on",
            **where,
        )
    if facts.code == LOG_TRUNCATION:
        return TopologyMismatch(
            "the broker has lost records that were already read",
            hint="an unclean leader election cut the log; `streamframe reset` decides where to go on",
            **where,
        )
    if facts.code in (KafkaError.FENCED_INSTANCE_ID, KafkaError.UNRELEASED_INSTANCE_ID) or _wraps(facts, *_NAME_TAKEN):
        return Unavailable(
            "another member of the group has this worker's name",
            hint="give every installation its own kafka.instance; after a crash the name is free when the session ends",
            **where,
        )
    if lacks_new_protocol(error):
        return ConfigError(
            "the broker does not have the new group protocol",
            hint="set kafka.group_protocol to 'auto' or 'classic'",
            **where,
        )
    if facts.code in PERMISSION_CODES | SETTING_CODES | MISSING_TOPIC_CODES:
        return as_error(error, "the consumer cannot go on", **where)
    if facts.fatal or facts.code == FATAL:
        return Unavailable("the consumer met a fatal error", hint=RESTART_HINT, **where)
    return None


def lacks_new_protocol(error: KafkaError) -> bool:
    """Return whether an error note says that the broker does not have the new group protocol."""
    facts = facts_of(error)
    if facts.code in (KafkaError.UNSUPPORTED_VERSION, UNSUPPORTED_FEATURE):
        return True
    return _wraps(facts, "API version not supported", "feature not supported")


def _wraps(facts: ErrorFacts, *texts: str) -> bool:
    """Return whether a fatal error of a consumer wraps one of these; it has lost the original's code."""
    return facts.code == FATAL and any(text.lower() in facts.text.lower() for text in texts)


@contextmanager
def transactional(call: str) -> Iterator[None]:
    """Turn what a producer call raises into what the engine reacts to.

    Args:
        call: Name of the call, for the message. A commit that is not answered has an unknown outcome.

    Raises:
        TransactionAborted, ProducerFenced, OutcomeUnknown: As their docstrings say.
        ConfigError: The same records would be refused again.
    """
    try:
        yield
    except (KafkaException, SystemError) as error:
        raise transaction_error(error, call) from error


def transaction_error(error: BaseException, call: str) -> LogError | StreamFrameError:
    """Return what an error of a producer call means; see ``transactional``."""
    facts = facts_of(error)
    text = f"{call}: {facts.text}"
    if facts.code in PERMISSION_CODES | TOO_LARGE_CODES | {KafkaError.INVALID_TRANSACTION_TIMEOUT}:
        return as_error(error, "the broker refuses what is written", call=call)
    if call == "produce" and facts.code == STATE:
        # The transaction failed behind our back. Whether it can be aborted, `abort` finds out.
        return TransactionAborted(text)
    if facts.fatal or facts.code in FENCED_CODES:
        return ProducerFenced(text)
    if facts.aborts or facts.code in STALE_MEMBER_CODES:
        return TransactionAborted(text)
    if facts.code in MISSING_TOPIC_CODES:
        return as_error(error, "an output topic is missing", call=call)
    return OutcomeUnknown(text)
