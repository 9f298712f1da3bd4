"""What works on this machine and what does not, found out by doing it."""

import os
import platform
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib.metadata import packages_distributions
from typing import Literal

from config.settings import Settings
from jobs.connection import expecting_answer, open_redis, shown_url
from jobs.durability import risks_of
from jobs.errors import PromptmillError
from jobs.keys import Keys
from jobs.models import Isolation
from jobs.presence import live_workers
from jobs.records import LastingStore
from jobs.records.opening import open_store
from worker.main import gemini_options
from worker.model.opening import open_model
from worker.sandbox.errors import SandboxTooWeakError
from worker.sandbox.interpreters import MissingInterpreter, interpreters
from worker.sandbox.opening import Profile, open_sandbox
from worker.sandbox.packages import packages_of
from worker.sandbox.selfcheck import self_check

from .questions import QUESTIONS, ask

_LOW_DISK_MIB = 500
Status = Literal["ok", "warn", "fail"]

_IN_WORDS: dict[Profile, str] = {
    "strict": "every program on a machine of its own",
    "contained": "among this machine's processes, behind Landlock and a filter of system calls",
    "rlimits": "resource limits only: programs can read files and reach the network; for prompts you trust",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was tried."""

    group: str
    name: str
    status: Status
    detail: str
    fix: str = ""


async def examine(settings: Settings, *, live: bool) -> list[Finding]:
    """Everything that was tried under these settings; nothing is queued or recorded, and only `live` has a price."""
    findings = [*_python(), *_disk(settings), *_languages()]
    for examination in (_redis(settings), _store(settings), _model(settings), _sandbox(settings)):
        findings += [finding async for finding in examination]
    if live:
        findings += [finding async for finding in _live(settings)]
    return findings


def _python() -> Iterator[Finding]:
    yield Finding("python", platform.python_version(), "ok", platform.platform())
    owners = packages_distributions()
    for name in ("config", "jobs", "worker"):
        others = sorted(set(owners.get(name, [])) - {"promptmill"})
        if others:
            yield Finding(
                "python",
                name,
                "fail",
                f"also installed by {', '.join(others)}",
                f"pip uninstall {' '.join(others)}",
            )


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.store.directory.resolve()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        fix = "choose another folder with --store or PROMPTMILL_STORE__DIRECTORY"
        yield Finding("disk", "store", "fail", f"{existing} cannot be written to", fix)
        return
    free_mib = shutil.disk_usage(existing).free // 2**20
    floor_mib = settings.worker.free_mib
    room = f"{folder}, {free_mib:,} MiB free"
    if free_mib < floor_mib and settings.store.url is None:
        fix = "make room there, or lower worker.free_mib"
        yield Finding("disk", "store", "fail", f"{room}: workers want {floor_mib:,}", fix)
        return
    status: Status = "ok" if free_mib >= _LOW_DISK_MIB else "warn"
    yield Finding("disk", "store", status, room)


def _languages() -> Iterator[Finding]:
    for one in interpreters():
        name = one.language.value
        if isinstance(one, MissingInterpreter):
            yield Finding("language", name, "warn", one.error.message, "\n".join(one.error.fixes))
        else:
            yield Finding("language", name, "ok", f"{one.path} {one.version or ''}".rstrip())


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    url, keys = settings.redis_url, Keys(settings.redis.prefix)
    try:
        async with open_redis(url, keys) as redis:
            with expecting_answer("the server does not say what it is"):
                info = await redis.info("server")
                risks = [risk async for risk in risks_of(redis)]
            version = info.get("valkey_version") or info.get("redis_version")
            name = "Valkey" if "valkey_version" in info else "Redis"
            yield Finding("redis", "server", "ok", f"{name} {version} at {shown_url(url)}")
            for risk in risks:
                status: Status = "fail" if risk.drops_jobs else "warn"
                yield Finding("redis", risk.name, status, risk.message, risk.fix)
            workers = await live_workers(redis, keys)
            names = ", ".join(worker.worker_id for worker in workers)
            yield Finding(
                "redis",
                "workers",
                "ok" if workers else "warn",
                names or "none running",
                "" if workers else "promptmill worker",
            )
    except PromptmillError as error:
        yield _failure("redis", "server", error)


async def _store(settings: Settings) -> AsyncIterator[Finding]:
    if settings.store.url is None:
        # A folder is looked at as a disk, and made when it is needed.
        return
    place = shown_url(settings.store.url)
    try:
        async with aclosing(_store_of(settings)) as store:
            await store.check()
    except PromptmillError as error:
        yield _failure("store", "records", error)
    else:
        yield Finding("store", "records", "ok", f"can be kept at {place}")


def _store_of(settings: Settings) -> LastingStore:
    return open_store(settings.records_place, prefix=settings.redis.prefix)


async def _model(settings: Settings) -> AsyncIterator[Finding]:
    try:
        async with aclosing(_store_of(settings)) as store:
            model = open_model(settings.meant_model, gemini_options(settings), store)
            async with aclosing(model):
                await model.check()
    except PromptmillError as error:
        yield _failure("model", settings.model.name, error)
        return
    if model.simulated:
        yield Finding(
            "model",
            model.name,
            "warn",
            "answers are RECORDINGS, not a model's",
            "export GEMINI_API_KEY=...",
        )
    else:
        yield Finding("model", model.name, "ok", "the key is accepted")


async def _live(settings: Settings) -> AsyncIterator[Finding]:
    try:
        # Recordings are asked nothing, so the store is never opened.
        model = open_model(settings.meant_model, gemini_options(settings), _store_of(settings))
    except PromptmillError:
        # Of which was told before.
        return
    async with aclosing(model):
        if model.simulated:
            yield Finding("live", model.name, "warn", "recordings cannot be asked anything")
            return
        for question in QUESTIONS:
            try:
                detail = await ask(model, question)
            except PromptmillError as error:
                found = _failure("live", question.name, error)
                # What nobody needs who uses something else is no failure.
                is_fatal = question.otherwise is None
                fix = found.fix if is_fatal else question.otherwise or ""
                yield replace(found, status="fail" if is_fatal else "warn", fix=fix)
            else:
                yield Finding("live", question.name, "ok", detail)


async def _sandbox(settings: Settings) -> AsyncIterator[Finding]:
    python = settings.sandbox.python
    try:
        packages = packages_of(python.environment, python.preload)
        sandbox = await open_sandbox(settings.sandbox.require, packages)
    except PromptmillError as error:
        yield _failure("sandbox", settings.sandbox.require, error)
        return
    async with sandbox:
        isolation = sandbox.isolation
        yield Finding("sandbox", f"profile {isolation.profile}", "ok", _IN_WORDS[isolation.profile])
        yield Finding("sandbox", "layers", "ok", " ".join(isolation.layers))
        if isolation.profile != "strict":
            yield await _what_strict_needs(isolation)
        elif isolation.missing:
            yield Finding("sandbox", "missing", "warn", " ".join(isolation.missing))
        if packages.folders:
            yield Finding("sandbox", "packages", "ok", " ".join(packages.folders))
        if packages.preload:
            yield Finding("sandbox", "preloaded", "ok", " ".join(packages.preload))
        for check in await self_check(sandbox):
            yield Finding("sandbox", check.name, "ok" if check.ok else "fail", check.detail)


async def _what_strict_needs(isolation: Isolation) -> Finding:
    """What programs are not kept from here, and what to type against it."""
    lacking = f"weaker than strict, without {' '.join(isolation.missing)}"
    try:
        async with await open_sandbox("strict"):
            return Finding("sandbox", "missing", "warn", lacking)
    except PromptmillError as error:
        reason = error.facts.get("refused for strict", error.message)
        # The last one is to be content with less, which is what we are.
        fixes = error.fixes[:-1] if isinstance(error, SandboxTooWeakError) else error.fixes
        return Finding("sandbox", "missing", "warn", f"{lacking} ({reason})", "\n".join(fixes))


def _failure(group: str, name: str, error: PromptmillError) -> Finding:
    # Whoever reads this looks as closely as there is.
    fixes = [fix for fix in error.fixes if "look closer" not in fix]
    facts = "; ".join(f"{label}: {fact}" for label, fact in error.facts.items())
    return Finding(
        group,
        name,
        "fail",
        f"{error.message} ({facts})" if facts else error.message,
        "\n".join(fixes),
    )
