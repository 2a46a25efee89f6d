//! Row 20 in Tokio: one task per core computes, two more play ping-pong over a socket pair.
//!
//! Tokio cannot preempt: the computing tasks yield about every microsecond.
use peers::{builder, cores, print_p50_p99, run};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::{net::UnixStream, spawn, task::yield_now};

const STEPS_PER_YIELD: usize = 1000; // about a microsecond
const WARM_UP: Duration = Duration::from_millis(100);
const DURATION: Duration = Duration::from_millis(700);
static RESULT: AtomicU64 = AtomicU64::new(0); // somewhere to put it: nobody reads it

async fn compute(mut state: u64) {
    loop {
        for _ in 0..STEPS_PER_YIELD {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        RESULT.store(state, Relaxed);
        yield_now().await;
    }
}

async fn pong(mut stream: UnixStream) {
    let mut byte = [0; 1];
    while stream.read_exact(&mut byte).await.is_ok() {
        stream.write_all(&byte).await.expect("write");
    }
}

async fn ping(mut stream: UnixStream) -> Vec<u64> {
    let mut trips = Vec::new();
    let mut byte = [0; 1];
    let begin = Instant::now();
    while begin.elapsed() < WARM_UP + DURATION {
        let start = Instant::now();
        stream.write_all(&byte).await.expect("write");
        stream.read_exact(&mut byte).await.expect("read");
        if start - begin > WARM_UP {
            trips.push(start.elapsed().as_nanos() as u64);
        }
    }
    trips
}

fn main() {
    let runtime = builder(cores()).enable_io().build().expect("no runtime");
    for core in 0..cores() {
        runtime.spawn(compute(core as u64));
    }
    let mut trips = run(&runtime, async {
        let (one, other) = UnixStream::pair().expect("no socket pair");
        spawn(pong(other));
        spawn(ping(one)).await.expect("ping panicked")
    });
    print_p50_p99("round_trip", &mut trips);
    std::process::exit(0); // the computing tasks never end
}
