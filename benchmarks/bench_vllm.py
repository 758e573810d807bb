"""Our client against a vLLM of our own, and the engine's own benchmark against the same server on the same prompts.

`RISE_BENCH_VLLM=.../vllm python -m benchmarks.bench_vllm MODEL [KEY=VALUE,...]`; not part of `make bench`, since it needs a
vLLM. Both ask for the same number of tokens of each prompt, 64 requests at once; rounds of both alternate; prefixes are
not cached, so that the second of a pair finds nothing done.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measured import Measured, show
from rise_bench.commands.arguments import model_args
from rise_bench.model.load import load
from rise_bench.model.vllm import Vllm
from rise_bench.types import ModelRequest, Sampling, User

REQUESTS = 256
WIDTH = 64
TOKENS = 64
ROUNDS = 3
WORDS = ("invoice", "calendar", "folder", "meeting", "budget", "phone", "table", "archive", "note", "March")


class Rate(NamedTuple):
    """Requests and written tokens per second."""

    requests: float
    tokens: float


def prompts() -> list[str]:
    """Texts of some 300 words, each of its own."""
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=300)) for _ in range(REQUESTS)]


def measure(target: str, args: dict[str, Any]) -> list[Measured]:
    """Both rates, and ours as a share of the engine's own; medians of pairs of rounds."""
    given = {"enable_prefix_caching": False, "concurrency": WIDTH, "extra_body": {"ignore_eos": True}, **args}
    texts = prompts()
    with (
        tempfile.TemporaryDirectory() as name,
        closing(load(f"vllm:{target}", given, sampling=Sampling(max_tokens=TOKENS))) as model,
    ):
        assert isinstance(model, Vllm)
        model.start()
        ours(model, texts[:WIDTH])  # what is compiled at the first requests is compiled
        rounds = [(theirs(model, target, texts, Path(name)), ours(model, texts)) for _ in range(ROUNDS)]
    share = statistics.median(mine.tokens / engine.tokens for engine, mine in rounds)
    return [
        Measured("vllm bench serve, 64 at once", statistics.median(pair[0].requests for pair in rounds), "requests/s"),
        Measured("our client", statistics.median(pair[1].requests for pair in rounds), "requests/s"),
        Measured("vllm bench serve", statistics.median(pair[0].tokens for pair in rounds), "tokens/s"),
        Measured("our client, tokens", statistics.median(pair[1].tokens for pair in rounds), "tokens/s"),
        Measured("our client against it", share, "of it", aim=0.9, more=True),
    ]


def ours(model: Vllm, texts: Sequence[str]) -> Rate:
    """64 threads, as the attempts of an evaluation."""
    left, lock, written = iter(texts), threading.Lock(), [0]

    def work() -> None:
        while True:
            with lock:
                text = next(left, None)
            if text is None:
                return
            reply = model.reply(ModelRequest(messages=(User(content=text),), tools=()))
            with lock:
                written[0] += reply.output_tokens or 0

    threads = [threading.Thread(target=work) for _ in range(WIDTH)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    return Rate(len(texts) / seconds, written[0] / seconds)


def theirs(model: Vllm, target: str, texts: Sequence[str], folder: Path) -> Rate:
    """What the engine's own benchmark says of the same prompts."""
    lines = "".join(json.dumps({"prompt": text}) + "\n" for text in texts)
    (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
    words = [os.environ["RISE_BENCH_VLLM"], "bench", "serve", "--backend", "openai-chat", "--model", target]
    words += ["--base-url", model.server.url, "--endpoint", "/v1/chat/completions", "--served-model-name", target]
    words += ["--dataset-name", "custom", "--dataset-path", str(folder / "prompts.jsonl"), "--skip-chat-template"]
    words += ["--custom-output-len", str(TOKENS), "--ignore-eos", "--temperature", "0", "--disable-tqdm"]
    words += ["--num-prompts", str(len(texts)), "--max-concurrency", str(WIDTH), "--disable-shuffle"]
    words += ["--save-result", "--result-dir", str(folder), "--result-filename", "result.json"]
    environment = {**os.environ, "OPENAI_API_KEY": model.server.key}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise SystemExit(f"vllm bench serve failed:\n{done.stderr[-2000:]}")
    found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    if found["completed"] != len(texts):
        raise SystemExit(f"vllm bench serve completed {found['completed']} of {len(texts)} requests")
    return Rate(found["request_throughput"], found["output_throughput"])


if __name__ == "__main__":
    show(measure(sys.argv[1], model_args(sys.argv[2:])))
