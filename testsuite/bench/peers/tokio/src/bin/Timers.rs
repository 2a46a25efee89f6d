//! Row 14 in Tokio: 1,000,000 tasks sleep until a moment within one second from a common start.
//!
//! A task is Tokio's callback: a timer belongs to a task and wakes it.  (`DelayQueue` of tokio-util
//! takes about half of the time, but is a queue that one task owns and reads, not a timer that any
//! task may arm.)  A timer is armed when its task first runs, so the arming ends when a task that
//! was spawned after all others has run.  A few timers and then a whole wave of them warm up, and
//! each says how far ahead the next start must lie.
use peers::{builder, cores, cpu_ns, run, Random};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::{spawn, time::sleep_until};

const TIMERS: usize = 1_000_000;
const PROBES: usize = 10_000;
const WARM_UP: Duration = Duration::from_millis(50);
const WINDOW: Duration = Duration::from_secs(1);
static FIRED: AtomicUsize = AtomicUsize::new(0);

struct Costs {
    arm_ns: f64, // wall
    all_ns: f64, // CPU
}

/// The callback.  One scheduler thread: the counter needs no locked operation.
async fn fire_at(deadline: Instant) {
    sleep_until(deadline.into()).await;
    FIRED.store(FIRED.load(Relaxed) + 1, Relaxed);
}

/// Arms the timers and waits until all have fired, within `window` from `start_in` on.
async fn wave(timers: usize, start_in: Duration, window: Duration) -> Costs {
    let mut random = Random(1);
    FIRED.store(0, Relaxed);
    let (cpu, begin) = (cpu_ns(), Instant::now());
    let start = begin + start_in;
    for _ in 0..timers {
        spawn(fire_at(start + Duration::from_nanos(random.below(window.as_nanos() as u64))));
    }
    spawn(async {}).await.expect("the last task panicked"); // the queue is first in, first out
    let armed = Instant::now();
    if armed > start {
        eprintln!("the timers took longer to arm than {:?}", start_in);
        std::process::exit(1);
    }
    sleep_until((start + window).into()).await;
    while FIRED.load(Relaxed) < timers {
        tokio::task::yield_now().await;
    }
    let arm_ns = (armed - begin).as_nanos() as f64 / timers as f64;
    Costs { arm_ns, all_ns: (cpu_ns() - cpu) as f64 / timers as f64 }
}

/// The time in which as many timers as there are can surely be armed.
fn ample(probe: &Costs) -> Duration {
    Duration::from_nanos((3.0 * probe.arm_ns * TIMERS as f64) as u64)
}

fn main() {
    if cores() != 1 {
        eprintln!("this row is about one core");
        std::process::exit(1);
    }
    let runtime = builder(1).enable_time().build().expect("no runtime");
    let probe = run(&runtime, wave(PROBES, Duration::from_millis(500), WARM_UP));
    let cold = run(&runtime, wave(TIMERS, ample(&probe), WARM_UP));
    let warm = run(&runtime, wave(TIMERS, ample(&cold), WINDOW));
    println!("timer_arm {:.1} ns", warm.arm_ns);
    println!("timer_all {:.1} ns", warm.all_ns);
}
