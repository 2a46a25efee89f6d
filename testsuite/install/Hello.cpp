// Hello.cpp -- a stranger's program in C++17: a task that waits for time, then says so.
#include <capri/capri.h>

#include <cstdio>

namespace {

struct Greeter {
    bool waited = false;
};

TaskVerdict greet(TaskContext *context, void *env)
{
    auto *greeter = static_cast<Greeter *>(env);
    if (greeter->waited || taskStatus(context) != 0)
        return TaskDone;
    greeter->waited = true;
    return taskWaitDelayUntil(context, rtsNow() + 1000 * 1000) == 0 ? TaskBlocked : TaskDone;
}

} // namespace

int main()
{
    Greeter greeter;
    Thread *task;
    if (rtsInit(nullptr) != 0 || taskNew(&task, nullptr, greet, &greeter) != 0)
        return 1;
    int failed = threadJoin(task, nullptr);
    threadRelease(task);
    if (rtsShutdown(Cancel, INT64_MAX) == 0 && failed == 0 && greeter.waited)
        std::puts("hello from capri");
    return failed;
}
