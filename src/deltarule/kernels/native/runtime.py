"""The runtime in LLVM code: how a team of threads is started on a job, waits for each other, and sleeps.

A team is one block of memory that all its threads see:

      0  epoch        counts jobs; a worker that sleeps, sleeps on this word
     64  arrived      threads that have come to the barrier;  128  generation: counts barriers
    192  arrived, 256 generation of the barrier that ends a job
    320  sleepers     workers that sleep
    384  busy         1 while a job runs: a second caller then runs its own job alone
    448  function, 456 arguments, 464 threads of the job, 472 workers of the team

Threads wait by looking, for a tenth of a millisecond or so, and then sleep until the next job: a job costs a
microsecond to start while the team is awake, and idle workers leave the cores alone.
"""

from __future__ import annotations

import platform
import sys

from deltarule.kernels.native.processor import SIZES

TEAM_BYTES = 512

# Looks at the epoch before a worker sleeps; one look takes about ten nanoseconds.
_LOOKS = 15_000
# Looks at a barrier before a thread offers its core to others.
_LOOKS_AT_BARRIER = 1_000

_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_LINUX = sys.platform.startswith("linux")
_FUTEX = 202 if _X86 else 98

DECLARATIONS = [
    "declare i64 @PyLong_AsLongLong(ptr)",
    "declare double @PyFloat_AsDouble(ptr)",
    "declare void @Py_IncRef(ptr)",
    "@_Py_NoneStruct = external global i8",
    "@_Py_TrueStruct = external global i8",
    "@_Py_FalseStruct = external global i8",
    "@_deltarule_ndarray = external global i8",
    *(f"@_deltarule_{dtype} = external global i8" for dtype in SIZES),
    "@_deltarule_team = external global i8",
]
if _X86:
    DECLARATIONS.append("declare void @llvm.x86.sse2.pause()")
    _PAUSE = "call void @llvm.x86.sse2.pause()"
else:
    DECLARATIONS.append("declare void @llvm.aarch64.hint(i32)")
    _PAUSE = "call void @llvm.aarch64.hint(i32 1)"

if _LINUX:
    DECLARATIONS += ["declare i64 @syscall(i64, ...)", "declare i32 @sched_yield()"]
    _YIELD = "call i32 @sched_yield()"
    _CALL = f"call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr %team, i32"
    _SLEEP = f"{_CALL} 128, i32 %seen, ptr null, ptr null, i32 0)"
    _WAKE = f"{_CALL} 129, i32 2147483647, ptr null, ptr null, i32 0)"
elif sys.platform == "win32":
    DECLARATIONS += ["declare void @Sleep(i32)", "declare i32 @SwitchToThread()"]
    _YIELD = "call i32 @SwitchToThread()"
    _SLEEP = "call void @Sleep(i32 1)"
    _WAKE = ""
else:
    DECLARATIONS += ["declare i32 @usleep(i32)", "declare i32 @sched_yield()"]
    _YIELD = "call i32 @sched_yield()"
    _SLEEP = "call i32 @usleep(i32 100)"
    _WAKE = ""


def _barrier(name: str, arrived: int) -> str:
    return f"""
define internal void @{name}(ptr %team, i64 %threads) nounwind noinline {{
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %out, label %meet
meet:
  %arrived = getelementptr i8, ptr %team, i64 {arrived}
  %generation = getelementptr i8, ptr %team, i64 {arrived + 64}
  %now = load atomic i32, ptr %generation acquire, align 4
  %before = atomicrmw add ptr %arrived, i32 1 acq_rel
  %count = add i32 %before, 1
  %wanted = trunc i64 %threads to i32
  %last = icmp eq i32 %count, %wanted
  br i1 %last, label %open, label %wait
open:
  store atomic i32 0, ptr %arrived monotonic, align 4
  %next = add i32 %now, 1
  store atomic i32 %next, ptr %generation release, align 4
  ret void
wait:
  %looks = phi i32 [ 0, %meet ], [ %more, %again ], [ %more, %offer ]
  %seen = load atomic i32, ptr %generation acquire, align 4
  %same = icmp eq i32 %seen, %now
  br i1 %same, label %look, label %out
look:
  {_PAUSE}
  %more = add i32 %looks, 1
  %long = icmp ugt i32 %more, {_LOOKS_AT_BARRIER}
  br i1 %long, label %offer, label %again
again:
  br label %wait
offer:
  {_YIELD}
  br label %wait
out:
  ret void
}}
"""


RUNTIME = (
    _barrier("barrier", 64)
    + _barrier("finish", 192)
    + f"""
define internal void @launch(ptr %team, i64 %threads, ptr %function, ptr %args) nounwind {{
entry:
  %alone = icmp sle i64 %threads, 1
  br i1 %alone, label %serial, label %try
try:
  %busy = getelementptr i8, ptr %team, i64 384
  %taken = cmpxchg ptr %busy, i32 0, i32 1 acq_rel monotonic
  %free = extractvalue {{ i32, i1 }} %taken, 1
  br i1 %free, label %start, label %serial
serial:
  call void %function(ptr %team, i64 0, i64 1, ptr %args)
  ret void
start:
  %at_function = getelementptr i8, ptr %team, i64 448
  %at_args = getelementptr i8, ptr %team, i64 456
  %at_threads = getelementptr i8, ptr %team, i64 464
  %at_workers = getelementptr i8, ptr %team, i64 472
  %sleepers = getelementptr i8, ptr %team, i64 320
  %workers = load i64, ptr %at_workers
  %all = add i64 %workers, 1
  %fewer = icmp slt i64 %all, %threads
  %used = select i1 %fewer, i64 %all, i64 %threads
  store ptr %function, ptr %at_function
  store ptr %args, ptr %at_args
  store i64 %used, ptr %at_threads
  %before = atomicrmw add ptr %team, i32 1 seq_cst
  %asleep = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp sgt i32 %asleep, 0
  br i1 %any, label %wake, label %run
wake:
  {_WAKE}
  br label %run
run:
  call void %function(ptr %team, i64 0, i64 %used, ptr %args)
  call void @finish(ptr %team, i64 %all)
  store atomic i32 0, ptr %busy release, align 4
  ret void
}}
"""
)

# What a worker runs, for the life of the process. It is compiled once, apart from the kernels. At the gate it
# says that it is here, and waits for the epoch (with a 1 above its 32 bits) after which jobs count on it.
WORKER = f"""
define void @worker(ptr %team, i64 %thread, ptr %gate) nounwind {{
entry:
  %at_function = getelementptr i8, ptr %team, i64 448
  %at_args = getelementptr i8, ptr %team, i64 456
  %at_threads = getelementptr i8, ptr %team, i64 464
  %at_workers = getelementptr i8, ptr %team, i64 472
  %sleepers = getelementptr i8, ptr %team, i64 320
  %at_opening = getelementptr i64, ptr %gate, i64 1
  store atomic i64 1, ptr %gate release, align 8
  br label %closed
closed:
  %opening = load atomic i64, ptr %at_opening acquire, align 8
  %first = trunc i64 %opening to i32
  %shut = icmp eq i64 %opening, 0
  br i1 %shut, label %knock, label %idle
knock:
  {_YIELD}
  br label %closed
idle:
  %seen = phi i32 [ %first, %closed ], [ %epoch, %done ], [ %seen, %again ], [ %seen, %woken ]
  %looks = phi i32 [ 0, %closed ], [ 0, %done ], [ %more, %again ], [ 0, %woken ]
  %epoch = load atomic i32, ptr %team acquire, align 4
  %same = icmp eq i32 %epoch, %seen
  br i1 %same, label %look, label %run
look:
  {_PAUSE}
  %more = add i32 %looks, 1
  %long = icmp ugt i32 %more, {_LOOKS}
  br i1 %long, label %rest, label %again
again:
  br label %idle
rest:
  %counted = atomicrmw add ptr %sleepers, i32 1 seq_cst
  %still = load atomic i32, ptr %team seq_cst, align 4
  %quiet = icmp eq i32 %still, %seen
  br i1 %quiet, label %sleep, label %woken
sleep:
  {_SLEEP}
  br label %woken
woken:
  %uncounted = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %idle
run:
  %threads = load i64, ptr %at_threads
  %member = icmp slt i64 %thread, %threads
  br i1 %member, label %work, label %done
work:
  %function = load ptr, ptr %at_function
  %args = load ptr, ptr %at_args
  call void %function(ptr %team, i64 %thread, i64 %threads, ptr %args)
  br label %done
done:
  %workers = load i64, ptr %at_workers
  %all = add i64 %workers, 1
  call void @finish(ptr %team, i64 %all)
  br label %idle
}}
"""
