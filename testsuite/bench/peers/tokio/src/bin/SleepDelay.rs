//! Row 13 in Tokio: a task sleeps for 100 us, nothing else runs.
//!
//! Tokio's timer wheel turns once per millisecond and rounds up; there is nothing finer in it.
use peers::{builder, cores, print_p50_p99, run};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const SLEEPS: usize = 2000;
const WARM_UP: usize = 50;
const DURATION: Duration = Duration::from_micros(100);

async fn sleep_often(times: usize) -> Vec<u64> {
    let mut late = Vec::with_capacity(times);
    for _ in 0..times {
        let due = Instant::now() + DURATION;
        sleep(DURATION).await;
        late.push(due.elapsed().as_nanos() as u64);
    }
    late
}

fn main() {
    let runtime = builder(cores()).enable_time().build().expect("no runtime");
    run(&runtime, sleep_often(WARM_UP));
    print_p50_p99("late", &mut run(&runtime, sleep_often(SLEEPS)));
}
