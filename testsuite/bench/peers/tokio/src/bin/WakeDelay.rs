//! Row 12 in Tokio: an OS thread writes the time to a pipe; a task reads it and looks at the clock.
use peers::{builder, cores, now_ns, percentile, pipe, print_p50_p99};
use std::io::{Read, Write};
use std::sync::{atomic::{AtomicU64, Ordering::{Acquire, Release}}, Arc};
use std::time::Duration;
use tokio::io::{unix::AsyncFd, Interest};

const IDLE: usize = 1000;
const SPINNING: usize = 20_000;
const IDLE_PAUSE: Duration = Duration::from_micros(500);
const SPINNING_PAUSE_NS: u64 = 3_000;
const WARM_UP: usize = 100;

async fn receive(source: std::fs::File, messages: usize, received: Arc<AtomicU64>) -> Vec<u64> {
    let source = AsyncFd::with_interest(source, Interest::READABLE).expect("no epoll");
    let mut delays = Vec::with_capacity(messages);
    while delays.len() < messages {
        let mut sent = [0; 8];
        let mut ready = source.readable().await.expect("no epoll");
        if let Ok(result) = ready.try_io(|source| source.get_ref().read(&mut sent)) {
            result.expect("read");
            delays.push(now_ns() - u64::from_ne_bytes(sent));
            received.store(delays.len() as u64, Release);
        }
    }
    delays
}

/// Sends as many messages with `pause` before each, which is told how many were sent before it and
/// how many have been received, and gives their delays.
fn round(messages: usize, pause: fn(u64, &AtomicU64)) -> Vec<u64> {
    let runtime = builder(cores()).enable_io().build().expect("no runtime");
    let (source, mut target) = pipe();
    let received = Arc::new(AtomicU64::new(0));
    let task = runtime.spawn(receive(source, messages + WARM_UP, received.clone()));
    let sender = std::thread::spawn(move || {
        for sent in 0..messages + WARM_UP {
            pause(sent as u64, &received);
            target.write_all(&now_ns().to_ne_bytes()).expect("write");
        }
    });
    let delays = runtime.block_on(task).expect("the task panicked");
    sender.join().expect("the sender panicked");
    delays[WARM_UP..].to_vec()
}

fn sleep(_: u64, _: &AtomicU64) {
    std::thread::sleep(IDLE_PAUSE);
}

fn spin(sent: u64, received: &AtomicU64) {
    while received.load(Acquire) < sent {
        std::hint::spin_loop();
    }
    let start = now_ns();
    while now_ns() - start < SPINNING_PAUSE_NS {
        std::hint::spin_loop();
    }
}

fn main() {
    print_p50_p99("idle", &mut round(IDLE, sleep));
    let spinning = percentile(&mut round(SPINNING, spin), 0.50);
    println!("spinning_p50 {:.2} us", spinning as f64 / 1e3);
}
