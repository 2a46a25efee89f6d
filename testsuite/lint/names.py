"""names.py -- which exported names do not follow their file's: data of lint.py."""

# An exported function's name begins with its file's noun (FdTable.c: fdTable...) or one of these.
EXPORT_PREFIXES = {
    "iomgr/Assert.c": ["barf"],
    "iomgr/FdAwait.c": ["eventManager"],
    "iomgr/FdRegister.c": ["registerFd", "unregisterFd"],
    "iomgr/OwnerGate.c": ["smpMembarrier"],
    "iomgr/Standalone.c": ["eventManager"],
    "iomgr/TimerManager.c": ["registerTimeout", "updateTimeout", "unregisterTimeout"],
    "rts/Errno.c": ["errnoLocation"],
    "rts/FdClose.c": ["closeFd"],
    "rts/Hold.c": ["rtsHold", "rtsRelease"],
    "rts/Interrupt.c": ["threadThrowTo", "threadKill", "threadCaught"],
    "rts/Mask.c": ["interruptMask", "thread"],
    "rts/Pause.c": ["pause", "rtsPause", "rtsResume"],
    "rts/Resize.c": ["resize", "capabilitySetCount"],
    "rts/Startup.c": ["rts", "capabilityCount"],
    "rts/Stats.c": ["rtsStats"],
    "rts/ThreadPool.c": ["threadCache"],
    "rts/Wait.c": ["claim"],
    "rts/context/Slab.c": ["stack"],
    "rts/stm/Delay.c": ["registerDelay"],
    "rts/stm/Jump.c": ["stm", "tvar"],
    "rts/stm/Reclaim.c": ["reclaim", "share"],
    "rts/stm/Status.c": ["stm", "tvar"],
}
