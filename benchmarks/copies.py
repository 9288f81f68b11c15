"""How many copies of a tensor the gateway holds: peak memory of its process while one large tensor goes through.

    python -m benchmarks.copies [--backend onnx|triton] [--mib 64]

The tensor goes in and comes out again, each way in one message. grpcio itself needs memory for both, in any server: so
the same tensor goes through a bare grpcio proxy as well, which only passes bytes on.
"""

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc

from benchmarks.arena import Arena, echo_request, open_arena
from benchmarks.steady_load import MODEL_INFER

MIB = 1024 * 1024
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CALLS = 5


def read_memory(pid: int, line: str) -> int:
    """Returns bytes from a line of a process's status, such as `VmRSS` or `VmHWM`."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(entry.split()[1]) * 1024 for entry in status if entry.startswith(f"{line}:"))


def forget_peak(pid: int) -> None:
    """Lets a process's `VmHWM` start anew from what it holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def measure(address: str, api_key: str, pid: int, size: int) -> float:
    """Sends a tensor through; returns by how many times its size the process's memory grew at most."""
    request = echo_request(bytes(range(256)) * (size // 256))
    with grpc.insecure_channel(address, options=UNLIMITED) as channel:
        infer: Any = channel.unary_unary(MODEL_INFER)
        metadata = (("x-api-key", api_key),)
        infer(echo_request(bytes(1024)), metadata=metadata, wait_for_ready=True)
        most = 0.0
        for _ in range(CALLS):
            before = read_memory(pid, "VmRSS")
            forget_peak(pid)
            answer = infer(request, metadata=metadata)
            assert answer.endswith(request[-size:]), "the tensor came back changed"
            most = max(most, (read_memory(pid, "VmHWM") - before) / size)
    return most


async def run_proxy(target: str) -> None:
    """Passes every call on to a target; prints its address."""
    channel = grpc.aio.insecure_channel(target, options=UNLIMITED)
    server = grpc.aio.server(options=UNLIMITED)

    class PassOn(grpc.GenericRpcHandler):
        def service(self, handler_call_details):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - grpcio's
            stub: Any = channel.unary_unary(handler_call_details.method)

            async def answer(message: bytes, context: Any) -> bytes:
                return bytes(await stub(message, metadata=context.invocation_metadata()))

            return grpc.unary_unary_rpc_method_handler(answer)

    server.add_generic_rpc_handlers((PassOn(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def measure_proxy(arena: Arena, size: int) -> float:
    """Measures a proxy that does nothing, before what the gateway asks: a node, or else the gateway itself."""
    target = arena.nodes[0].address if arena.nodes else arena.address
    command = [sys.executable, "-m", "benchmarks.copies", "--proxy-of", target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this very module
        assert process.stdout is not None
        try:
            return measure(process.stdout.readline().strip(), arena.api_key, process.pid, size)
        finally:
            process.kill()


def main() -> None:
    """Runs the benchmark."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--backend", choices=["onnx", "triton"], default="onnx")
    arguments.add_argument("--mib", type=int, default=64)
    arguments.add_argument("--proxy-of", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.proxy_of:
        asyncio.run(run_proxy(chosen.proxy_of))
        return
    with open_arena(chosen.backend, nodes=1) as arena:
        for size in (1024, MIB, chosen.mib * MIB):
            gateway = measure(arena.address, arena.api_key, arena.pid, size)
            if size < chosen.mib * MIB:
                print(f"{size:12,d} bytes pass both ways")
                continue
            proxy = measure_proxy(arena, size)
            print(f"{size:12,d} bytes pass both ways; peak memory in sizes of the tensor:")
            print(f"    gateway over {chosen.backend} {gateway:.2f}, a bare grpcio proxy {proxy:.2f}")


if __name__ == "__main__":
    main()
