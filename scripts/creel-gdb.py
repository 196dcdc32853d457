# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT

"""gdb commands for programs that use creel, on a live process and on a core file.

    (gdb) source scripts/creel-gdb.py
    (gdb) info fibers              all fibers: id, state, name, where
    (gdb) fiber 7 bt               the stack of fiber 7; also `fiber NAME bt`, `fiber 7 bt full`

Needs the debug information of creel itself (the release preset has it) and gdb 9 or newer. Knows the saved contexts of
x86-64 (sched/machine_context.h). A parked fiber's stack is unwound by gdb from its saved stack pointer, frame pointer and
program counter, by an unwinder that replaces the caller of the selected thread's newest frame while the command runs; no
register or memory of the process is written.

A core file has to be the kernel's: gdb's own (gcore) leaves out what lies behind a stack's guard page where guards are
markers and no mappings (Linux 6.13).
"""

import os
import re
import struct

import gdb
import gdb.unwinder

OWN_FOLDERS = ("runtime", "os", "net", "sync", "sched", "tracer")
STATES = {1: "runnable", 2: "running", 3: "blocking call", 4: "waiting"}
REASONS = ["unspecified", "chan send", "chan receive", "select", "sync", "sync.(*Cond).Wait", "network", "sleep", "forever",
           "system goroutine wait"]
RUNNING, SYSCALL, WAITING = 2, 3, 4


def fields_of(type_, base=0):
    """Offsets and sizes of all members of a class, those of its bases included, by name."""
    found = {}
    for field in type_.strip_typedefs().fields():
        if not hasattr(field, "bitpos"):
            continue
        offset = base + field.bitpos // 8
        if field.is_base_class:
            found.update(fields_of(field.type, offset))
        elif field.name:
            found[field.name] = (offset, field.type.sizeof)
    return found


def as_address(value):
    """The pointer in a pointer or std::atomic of one."""
    size = struct.calcsize("P")
    memory = gdb.selected_inferior().read_memory(int(value.address), size)
    return struct.unpack("P", bytes(memory))[0]


class LostStack(gdb.GdbError):
    def __init__(self):
        super().__init__("creel: the core file does not have the fiber's stack: gdb's gcore leaves out what lies behind a guard "
                         "page; have the kernel write the file (ulimit -c unlimited, kill -ABRT)")


class Fiber:
    """A fiber as the process's memory has it."""

    def __init__(self, runtime, address, data):
        self.runtime = runtime
        self.address = address
        get = lambda name: runtime.unpack(data, name)
        self.id = get("id")
        self.status = get("status")
        self.reason = get("reason")
        self.on_cpu = get("on_cpu") != 0
        self.stack = get("stack")
        self.name_address = get("name")
        self.thread = runtime.threads.get(address, 0)
        self.creator = get("creator")

    @property
    def name(self):
        if self.name_address == 0:
            return ""
        try:
            return gdb.Value(self.name_address).cast(gdb.lookup_type("char").pointer()).string()
        except (gdb.MemoryError, UnicodeDecodeError):
            return ""

    @property
    def state(self):
        if self.status == WAITING and self.reason < len(REASONS):
            return REASONS[self.reason]
        return STATES.get(self.status, "state %d" % self.status)

    @property
    def runs(self):
        return self.status in (RUNNING, SYSCALL)

    def gdb_thread(self):
        for thread in gdb.selected_inferior().threads():
            if thread.ptid[1] == self.thread or thread.ptid[2] == self.thread:
                return thread
        return None

    def registers(self):
        """rsp, rbp, rip of a fiber that is switched away from; None: it runs, or never ran."""
        if self.stack == 0 or self.on_cpu or self.runs:
            return None
        context = self.runtime.context_of(self.stack)
        try:
            found = tuple(int(context["machine_"][name]) for name in ("sp", "fp", "ip"))
        except gdb.MemoryError:
            found = (0, 0, 0)
        if found[2] == 0:
            raise LostStack()
        return found

    def returns(self):
        """Program counter and return addresses of the saved stack, innermost first."""
        _, frame, pc = self.registers()
        found = [pc]
        while frame != 0 and len(found) < 64:
            try:
                frame, pc = struct.unpack("PP", bytes(gdb.selected_inferior().read_memory(frame, 16)))
            except gdb.MemoryError:
                break
            found.append(pc)
        return tuple(found)

    def where(self):
        """The innermost function that is neither creel's own nor the library's."""
        try:
            registers = self.registers()
        except LostStack:
            return "(stack not in the core file)"
        if registers is None:
            if not self.runs:
                return "not started"
            thread = self.gdb_thread()
            return "on thread %d (LWP %d)" % (thread.num, self.thread) if thread else "on LWP %d" % self.thread
        key = self.returns()
        if key not in self.runtime.places:  # many fibers wait at few places
            with UNWINDER.on(registers):
                self.runtime.places[key] = self.runtime.place_of(gdb.newest_frame().older())
        return self.runtime.places[key]


class Runtime:
    """The running scheduler and the layout of its structures. Raises gdb.GdbError without one."""

    def __init__(self):
        architecture = gdb.selected_frame().architecture().name() if gdb.selected_thread() else ""
        if not architecture.startswith("i386:x86-64"):
            raise gdb.GdbError("creel: a process or core file of x86-64 is needed"
                               + (", this is " + architecture if architecture else ""))
        try:
            running = gdb.parse_and_eval("'creel::sched::(anonymous namespace)::running'")
            scheduler_type = gdb.lookup_type("creel::sched::Scheduler")
            self.fiber_type = gdb.lookup_type("creel::sched::Fiber")
            self.stack_type = gdb.lookup_type("creel::sched::Stack")
            self.context_type = gdb.lookup_type("creel::sched::Context")
        except gdb.error as error:
            raise gdb.GdbError("creel: the program has no debug information of creel (%s)" % error)
        address = as_address(running)
        if address == 0:
            raise gdb.GdbError("creel: no runtime is running: creel::run() has not begun, or has returned")
        self.scheduler = gdb.Value(address).cast(scheduler_type.pointer()).dereference()
        self.offsets = fields_of(self.fiber_type)
        self.threads = self.running_threads()
        self.context_room = fields_of(self.stack_type)["context_room"][0]
        self.places = {}
        main = gdb.lookup_global_symbol("creel::sched::fiber_main(void*)")
        source = main.symtab.fullname() if main is not None and main.symtab is not None else ""
        root = os.path.dirname(os.path.dirname(source))
        self.own_folders = [os.path.join(root, name) + os.sep for name in OWN_FOLDERS] if root else []

    def is_own(self, name, file):
        """Whether a function is creel's or the C++ library's: their lambdas are known by their files only."""
        return (name.startswith(("creel::", "std::")) or "include/creel/" in file or "/c++/" in file
                or any(file.startswith(folder) for folder in self.own_folders))

    def place_of(self, frame):
        outermost = None  # of creel's own: a call in tail position leaves no frame of the user's
        while frame is not None and frame.is_valid() and frame.pc() != 0:
            name = frame.name() or "0x%x" % frame.pc()
            sal = frame.find_sal()
            file = sal.symtab.fullname() if sal.symtab is not None else ""
            place = "%s at %s:%d" % (name, sal.symtab.filename, sal.line) if file and sal.line else name
            if not self.is_own(name, file):
                return place
            if outermost is None or not name.startswith(("creel::sched::fiber_main", "creel::sched::Closure")):
                outermost = place
            frame = frame.older()
        return outermost or "?"

    def running_threads(self):
        """The thread (LWP) of each fiber that runs, by the fiber's address."""
        threads = {}
        workers = self.scheduler["workers"]["_M_impl"]
        at, end = int(workers["_M_start"]), int(workers["_M_finish"])
        type_ = gdb.lookup_type("creel::sched::Worker").pointer()
        while at < end:  # of std::unique_ptr, which is the pointer
            address = struct.unpack("P", bytes(gdb.selected_inferior().read_memory(at, 8)))[0]
            worker = gdb.Value(address).cast(type_).dereference()
            if int(worker["fiber"]) != 0:
                threads[int(worker["fiber"])] = int(worker["id"])
            at += 8
        return threads

    def unpack(self, data, name):
        offset, size = self.offsets[name]
        return struct.unpack_from({1: "B", 2: "H", 4: "I", 8: "Q"}[size], data, offset)[0]

    def context_of(self, stack):
        return gdb.Value(stack + self.context_room).cast(self.context_type.pointer()).dereference()

    def fibers(self):  # those that exist
        slabs = self.scheduler["fiber_pool"]["slabs_"]["_M_impl"]
        at, end = slabs["_M_start"], slabs["_M_finish"]
        inferior = gdb.selected_inferior()
        size = self.fiber_type.sizeof
        status = self.offsets["status"][0]
        while at < end:
            first, used = int(at["fibers"]), int(at["used"])
            if used != 0:
                data = bytes(inferior.read_memory(first, used * size))
                for place in range(0, used * size, size):
                    if data[place + status] != 0:
                        yield Fiber(self, first + place, data[place:place + size])
            at += 1

    def find(self, wanted):
        text = wanted.strip('"')
        found = [fiber for fiber in self.fibers() if str(fiber.id) == text or (fiber.name and fiber.name == text)]
        if not found:
            raise gdb.GdbError("creel: there is no fiber %s; `info fibers` lists all" % wanted)
        if len(found) > 1:
            raise gdb.GdbError("creel: %d fibers are named %s: %s; give an id" %
                               (len(found), wanted, ", ".join(str(fiber.id) for fiber in found)))
        return found[0]


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class FiberUnwinder(gdb.unwinder.Unwinder):
    """While active, says that the selected thread's newest frame was called by the fiber's."""

    def __init__(self):
        super().__init__("creel-fiber")
        self.registers = None
        self.newest = None

    def __call__(self, pending):
        if self.registers is None or int(pending.read_register("rsp")) != self.newest:
            return None
        sp, fp, ip = self.registers
        # gdb wants each frame to lie above the one it called.
        info = pending.create_unwind_info(FrameId(gdb.Value(sp - 64), gdb.Value(ip)))
        word = gdb.lookup_type("unsigned long")
        for name, value in (("rsp", sp), ("rbp", fp), ("rip", ip)):
            like = pending.read_register(name)
            info.add_saved_register(name, gdb.Value(value).cast(word).cast(like.type))
        return info

    def __enter__(self):
        gdb.invalidate_cached_frames()

    def __exit__(self, *_):
        self.registers = None
        gdb.invalidate_cached_frames()

    def on(self, registers):
        self.newest = int(gdb.newest_frame().read_register("rsp"))
        self.registers = registers
        return self


UNWINDER = FiberUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def backtrace(fiber, arguments):
    registers = fiber.registers()
    if registers is not None:
        with UNWINDER.on(registers):
            text = gdb.execute("backtrace " + arguments, to_string=True)
        # Frame 0 is the thread's own: what follows is the fiber's.
        own = re.split(r"^(?=#1\s)", text, maxsplit=1, flags=re.MULTILINE)
        if len(own) < 2:
            raise gdb.GdbError("creel: gdb cannot unwind the fiber's stack:\n" + text)
        return re.sub(r"^#(\d+) ( ?)", lambda m: "#%-3d" % (int(m.group(1)) - 1), own[1], flags=re.MULTILINE)
    if not fiber.runs:
        return "not started; created by fiber %d\n" % fiber.creator if fiber.creator else "not started\n"
    thread = fiber.gdb_thread()
    if thread is None:
        return "runs on LWP %d, which gdb does not know\n" % fiber.thread
    selected = gdb.selected_thread()
    try:
        thread.switch()
        return gdb.execute("backtrace " + arguments, to_string=True)
    finally:
        selected.switch()


class InfoFibers(gdb.Command):
    """All fibers of the running creel runtime: id, state, name, and the innermost function that is not creel's."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError("info fibers takes no argument")
        fibers = sorted(Runtime().fibers(), key=lambda fiber: fiber.id)
        print("%6s  %-18s %-16s %s" % ("Id", "State", "Name", "Where"))
        for fiber in fibers:
            print("%6d  %-18s %-16s %s" % (fiber.id, fiber.state, fiber.name or "-", fiber.where()))


class FiberCommand(gdb.Command):
    """fiber ID|NAME bt [ARGUMENTS]: the stack of a fiber; the arguments are those of `backtrace`."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        match = re.match(r'\s*("[^"]*"|\S+)\s+(?:bt|backtrace)(?:\s+(.*))?$', argument)
        if match is None:
            raise gdb.GdbError("usage: fiber ID|NAME bt [ARGUMENTS OF backtrace]")
        fiber = Runtime().find(match.group(1))
        print('fiber %d%s [%s]:' % (fiber.id, ' "%s"' % fiber.name if fiber.name else "", fiber.state))
        print(backtrace(fiber, match.group(2) or ""), end="")


InfoFibers()
FiberCommand()
