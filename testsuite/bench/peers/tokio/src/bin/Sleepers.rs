//! Row 16 in Tokio: 1,000,000 tasks sleep once each, are awaited, and then all of it once more.
//!
//! The common start lies far enough ahead for all to be spawned before it: three times as far as a
//! few spawned beforehand, on memory as fresh, say.  Nothing runs while the processor waits for it,
//! so it adds nothing to the figure, CPU time.
use peers::{argument, builder, cores, cpu_ns, run, share_heap, Random};
use std::time::{Duration, Instant};
use tokio::{spawn, time::sleep_until};

const PROBES: usize = 10_000;
const WINDOW_NS: u64 = 1_000_000_000;

struct Costs {
    spawn: Duration, // wall, per task
    all_us: f64,     // CPU, per task
}

/// Spawns the tasks and awaits them.  Their second starts `spawn_at_most` per task from now.
async fn wave(tasks: usize, spawn_at_most: Duration) -> Costs {
    let mut random = Random(1);
    let (cpu, begin) = (cpu_ns(), Instant::now());
    let start = begin + spawn_at_most * tasks as u32;
    let mut sleepers = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        let deadline = start + Duration::from_nanos(random.below(WINDOW_NS));
        sleepers.push(spawn(sleep_until(deadline.into())));
    }
    let spawn = begin.elapsed() / tasks as u32;
    if spawn > spawn_at_most {
        eprintln!("a task took {:?} to spawn, more than {:?}", spawn, spawn_at_most);
        std::process::exit(1);
    }
    for sleeper in sleepers {
        sleeper.await.expect("a sleeper panicked");
    }
    Costs { spawn, all_us: (cpu_ns() - cpu) as f64 / tasks as f64 / 1e3 }
}

fn main() {
    share_heap();
    let tasks = argument("--threads", 1_000_000);
    let runtime = builder(cores()).enable_time().build().expect("no runtime");
    let probe = run(&runtime, wave(PROBES, Duration::from_micros(50)));
    let cold = run(&runtime, wave(tasks, probe.spawn * 3));
    println!("cold {:.2} us", cold.all_us);
    let warm = run(&runtime, wave(tasks, cold.spawn * 3));
    println!("warm {:.2} us", warm.all_us);
}
