//! Forked processes: parent and child go on recording, the child begins clean, and what it inherited neither crashes
//! nor hangs it. A program of its own, since a fork is of the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

#[cfg(unix)]
mod cases {
    use std::future::Future;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use monitor_core::{
        CheckpointErrorKind, Context, Entity, InContext, MemoryCheckpoints, Monitor, OperationIdError, Refusal,
        TrackFuture, monitor, track_operation,
    };
    use tests::{counts, local, poll_once, stats, yield_once};

    /// What a child may take before it counts as hung. Not a measure of time: nothing in here waits.
    const HUNG_SECONDS: u32 = 10;

    /// Forks, runs `child` in the child and gives its status: 0 if it came to its end without a panic.
    fn forked(child: impl FnOnce()) -> Child {
        // SAFETY: the child runs Rust code of this program and the allocator, which glibc and musl keep usable in the
        // child of a process with threads; it leaves by `_exit` and returns nowhere.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                // SAFETY: it only sets a timer.
                unsafe { libc::alarm(HUNG_SECONDS) };
                let status = i32::from(catch_unwind(AssertUnwindSafe(child)).is_err());
                // SAFETY: it ends the process, without the destructors that belong to the parent.
                unsafe { libc::_exit(status) }
            }
            pid => Child(pid),
        }
    }

    #[must_use]
    struct Child(libc::pid_t);

    impl Child {
        #[track_caller]
        fn succeeds(self) {
            let mut status = 0;
            // SAFETY: the pointer is to a variable of this function.
            let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
            assert_eq!(waited, self.0);
            assert!(!libc::WIFSIGNALED(status), "the child hung or crashed: signal {}", libc::WTERMSIG(status));
            assert_eq!(libc::WEXITSTATUS(status), 0, "the child panicked");
        }
    }

    #[track_operation(name = "attributed")]
    fn attributed() {}

    fn parent_and_child_go_on_and_the_child_begins_clean() {
        for _ in 0..3 {
            attributed();
            let _ = monitor().try_track("parent", |_| Err::<(), _>("of the parent"));
        }
        let child = forked(|| {
            let snapshot = monitor().snapshot();
            assert!(snapshot.operations().is_empty(), "the child has figures of its parent: {snapshot}");
            assert!(monitor().recent(10).is_empty() && snapshot.errors().is_empty());
            attributed();
            let _ = monitor().try_track("child", |_| Err::<(), _>("of the child"));
            assert_eq!(counts(&monitor(), "attributed"), [1, 1, 0, 0, 0, 0]);
            assert_eq!(counts(&monitor(), "child"), [1, 0, 1, 0, 0, 0]);
            assert_eq!(monitor().recent(1)[0].error.as_ref().map(|error| &*error.message), Some("of the child"));
            assert_eq!(monitor().snapshot().errors()[0].newest().unwrap().error.message, "of the child");
            assert!(monitor().active().is_empty());
            // Its children begin clean in turn, and its threads record.
            thread::spawn(|| monitor().track("child", |_| ())).join().unwrap();
            assert_eq!(stats(&monitor(), "child").started, 2);
            forked(|| assert!(monitor().snapshot().operations().is_empty())).succeeds();
        });
        attributed();
        child.succeeds();
        assert_eq!(counts(&monitor(), "attributed"), [4, 4, 0, 0, 0, 0]);
        assert_eq!(counts(&monitor(), "parent"), [3, 0, 3, 0, 0, 0]);
        assert_eq!(counts(&monitor(), "child"), [0; 6]);
    }

    #[track_operation(name = "around")]
    fn fork_inside() -> Option<Child> {
        // SAFETY: as in `forked`.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        (pid > 0).then_some(Child(pid))
    }

    fn a_call_that_runs_while_forking_is_the_parents_alone() {
        let guard = monitor().operation("guard").start();
        let failing = monitor().operation("guard").start();
        let Some(child) = fork_inside() else {
            // In the child: its guard of the attribute has just ended.
            let status = catch_unwind(AssertUnwindSafe(|| {
                guard.succeed();
                failing.fail_with("in the child");
                let operations = monitor().snapshot().operations().len();
                assert_eq!(operations, 0, "an inherited call was counted");
                attributed();
                assert!(monitor().snapshot().edges().is_empty());
                assert_eq!(counts(&monitor(), "attributed"), [1, 1, 0, 0, 0, 0]);
            }));
            // SAFETY: as in `forked`.
            unsafe { libc::_exit(i32::from(status.is_err())) }
        };
        child.succeeds();
        guard.succeed();
        failing.fail_with("in the parent");
        assert_eq!(counts(&monitor(), "guard"), [2, 1, 1, 0, 0, 0]);
        assert_eq!(counts(&monitor(), "around"), [1, 1, 0, 0, 0, 0]);
    }

    fn a_fork_inside_a_scope_leaves_it_to_the_parent() {
        monitor().track("before_scope", |_| ());
        let local = local();
        let child = local.scope(|| {
            let guard = local.operation("scoped").start();
            let child = forked(|| {
                // Every handle leads to the child's own monitor.
                local.scope(|| monitor().track("in_child", |_| ()));
                monitor().track("in_child", |_| ());
                local.track("in_child", |_| ());
                guard.succeed();
                thread::spawn(|| monitor().track("in_child", |_| ())).join().unwrap();
                assert_eq!(counts(&monitor(), "in_child"), [4, 4, 0, 0, 0, 0]);
                assert_eq!(counts(&local, "in_child"), [4, 4, 0, 0, 0, 0]);
                assert_eq!(local.snapshot().operations().len(), 1, "the child has figures of its parent");
                local.error_with("in the child").record();
                assert_eq!(monitor().snapshot().errors()[0].pattern, "in the child");
                assert!(monitor().resolve_errors(local.snapshot().errors()[0].fingerprint));
                assert!(local.snapshot().edges().is_empty() && local.active().is_empty());
            });
            local.track("in_parent", |_| ());
            child
        });
        child.succeeds();
        assert_eq!(counts(&local, "in_parent"), [1, 1, 0, 0, 0, 0]);
        assert_eq!(counts(&local, "in_child"), [0; 6]);
        assert!(local.snapshot().errors().is_empty());
    }

    fn a_child_that_leaves_an_inherited_scope_records_into_its_own_monitor() {
        monitor().track("before_scope", |_| ());
        let local = local();
        // SAFETY: as in `forked`.
        let pid = local.scope(|| unsafe { libc::fork() });
        if pid == 0 {
            let status = catch_unwind(|| {
                attributed();
                monitor().track("after_scope", |_| ());
                assert_eq!(counts(&monitor(), "before_scope"), [0; 6]);
                assert_eq!(counts(&monitor(), "attributed"), [1, 1, 0, 0, 0, 0]);
                assert_eq!(counts(&monitor(), "after_scope"), [1, 1, 0, 0, 0, 0]);
            });
            // SAFETY: as in `forked`.
            unsafe { libc::_exit(i32::from(status.is_err())) }
        }
        Child(pid).succeeds();
        assert_eq!(counts(&monitor(), "after_scope"), [0; 6]);
    }

    fn begun_future() -> Pin<Box<impl Future<Output = ()>>> {
        let body = async {
            yield_once().await;
            monitor().track("inside_future", |_| ());
        };
        let mut future = Box::pin(body.tracked("future"));
        assert!(poll_once(future.as_mut()).is_pending());
        future
    }

    fn an_inherited_future_ends_in_the_child_without_being_counted() {
        let mut future = begun_future();
        let dropped = begun_future();
        forked(|| {
            assert!(poll_once(future.as_mut()).is_ready());
            drop(dropped);
            assert_eq!(counts(&monitor(), "future"), [0; 6]);
            assert!(monitor().active().is_empty());
        })
        .succeeds();
        assert!(poll_once(future.as_mut()).is_ready());
        assert_eq!(stats(&monitor(), "future").succeeded, 1);
    }

    fn calls_inside_an_inherited_future_are_the_childs() {
        let mut future = begun_future();
        forked(|| {
            assert!(poll_once(future.as_mut()).is_ready());
            let inside = counts(&monitor(), "inside_future");
            assert_eq!(inside, [1, 1, 0, 0, 0, 0], "a call of the child went to the parent's monitor");
        })
        .succeeds();
    }

    fn an_inherited_handle_of_the_process_is_harmless() {
        let inherited = monitor();
        forked(|| {
            inherited.track("by_handle", |_| ());
            let _ = inherited.try_track("by_handle", |_| Err::<(), _>("x"));
            inherited.scope(|| monitor().track("by_handle", |_| ()));
            let _ = (inherited.snapshot(), inherited.recent(5), inherited.active());
            assert_eq!(counts(&monitor(), "by_handle"), [3, 2, 1, 0, 0, 0]);
            assert_eq!(counts(&inherited, "by_handle"), [3, 2, 1, 0, 0, 0]);
        })
        .succeeds();
        assert_eq!(counts(&monitor(), "by_handle"), [0; 6]);
    }

    fn an_inherited_job_does_nothing_in_the_child() {
        let kept = MemoryCheckpoints::new();
        let job = monitor().progress("inherited").total(10).checkpoints(kept).start();
        job.inc(1);
        forked(|| {
            job.inc(5);
            job.set_total(Some(99));
            job.message("of the child");
            job.fail("of the child");
            assert_eq!(job.checkpoint(&1).unwrap_err().kind(), CheckpointErrorKind::Forked);
            assert_eq!(job.resume::<i32>().unwrap_err().kind(), CheckpointErrorKind::Forked);
            let step = job.step("step of the child").total(2).start();
            step.inc(1);
            assert_eq!(step.stats().parent, None, "a job of the parent's process is none of the child's");
            assert_eq!((job.stats().done, job.stats().name.as_str()), (0, "inherited"));
            let snapshot = monitor().snapshot();
            let names: Vec<_> = snapshot.progress().iter().map(|job| job.name.as_str()).collect();
            assert_eq!(names, ["step of the child"]);
        })
        .succeeds();
        let stats = job.stats();
        assert_eq!((stats.done, stats.total, stats.message.as_str()), (1, Some(10), ""));
        assert_eq!(stats.state, monitor_core::ProgressState::Running);
    }

    fn a_fork_while_others_count_and_read_hangs_nobody() {
        let job = monitor().progress("busy").start();
        let local = local();
        let of_local = local.progress("busy").start();
        under_load(
            |name| {
                for job in [&job, &of_local] {
                    job.inc(1);
                    job.message(name.to_owned());
                    job.step(name).start().finish();
                    let _ = job.stats();
                }
            },
            || {
                for job in [&job, &of_local] {
                    (0..600).for_each(|_| job.inc(1));
                    let _ = (job.stats(), job.id());
                    drop(job.clone());
                    job.finish();
                }
                monitor().progress("of the child").start().finish();
                assert_eq!(monitor().snapshot().progress().len(), 1);
                assert_eq!(local.snapshot().progress().len(), 1);
            },
        );
    }

    /// Forks again and again while other threads record at full speed, some of them under names that are new.
    fn under_load(record: impl Fn(&str) + Sync, child: impl Fn()) {
        let done = AtomicBool::new(false);
        thread::scope(|threads| {
            for worker in 0..3_u32 {
                let (done, record) = (&done, &record);
                threads.spawn(move || {
                    let mut n = 0_u64;
                    while !done.load(Ordering::Relaxed) {
                        n += 1;
                        if worker == 0 { record(&format!("new {n}")) } else { record("known") }
                    }
                });
            }
            let result = catch_unwind(AssertUnwindSafe(|| {
                for _ in 0..40 {
                    forked(&child).succeeds();
                }
            }));
            done.store(true, Ordering::Relaxed);
            if let Err(payload) = result {
                std::panic::resume_unwind(payload);
            }
        });
    }

    fn a_fork_while_others_record_at_full_speed_is_safe() {
        let record = |name: &str| {
            attributed();
            let _ = monitor().try_track(name, |_| Err::<(), _>("x"));
        };
        under_load(record, || {
            assert!(monitor().snapshot().operations().is_empty());
            for n in 0..50 {
                record(&format!("child {n}"));
            }
            assert_eq!(stats(&monitor(), "attributed").succeeded, 50);
            assert_eq!(monitor().snapshot().operations().len(), 51);
            assert_eq!(monitor().recent(5).len(), 5);
        });
    }

    fn a_fork_while_others_record_into_a_local_monitor_hangs_nobody() {
        let local = local();
        let record = |name: &str| local.scope(|| _ = local.try_track(name, |_| Err::<(), _>("x")));
        under_load(record, || {
            record("known");
            record("new in the child");
            let _ = local.snapshot();
            let _ = local.recent(5);
            local.scope(attributed);
        });
    }

    fn an_inherited_handle_of_a_busy_process_hangs_nobody() {
        let inherited = monitor();
        under_load(
            |name| _ = monitor().try_track(name, |_| Err::<(), _>("x")),
            || {
                inherited.track("new in the child", |_| ());
                let _ = inherited.snapshot();
                let _ = inherited.recent(5);
            },
        );
    }

    fn a_state_machine_that_is_inherited_refuses_and_the_child_defines_its_own() {
        let define = |monitor: &Monitor| {
            let builder = monitor.state_machine("forked").state("a").state("b");
            builder.transition("a", "b").guard(|_| Ok(())).transition("b", "a").build().unwrap()
        };
        let local = local();
        let machine = define(&local);
        let entity = machine.entity("of the parent").unwrap();
        entity.to("b").unwrap();
        let begun_before = local.state_machine("begun before").state("a").state("b");
        let begun_before = begun_before.transition("a", "b").transition("b", "a");
        let child = forked(|| {
            assert_eq!((entity.state(), entity.id(), entity.has_ended()), ("b", "of the parent", false));
            let error = entity.to("a").unwrap_err();
            assert!(error.reason() == Refusal::Inherited && error.to_string().contains("parent process"), "{error}");
            assert_eq!(entity.trigger("x").unwrap_err().reason(), Refusal::Inherited);
            assert_eq!(entity.to("nowhere").unwrap_err().reason(), Refusal::Inherited);
            assert!(entity.history().is_empty() && entity.time_in_state().is_none());
            assert!(machine.entity("new").unwrap_err().to_string().contains("parent process"));
            assert!(machine.existing("of the parent").is_none() && !machine.remove("of the parent"));
            assert!(machine.entities().is_empty() && machine.ended().is_empty() && machine.stats().states.is_empty());
            // Defined in the child it is the child's, whichever handle leads there.
            let own = define(&local);
            own.entity("of the child").unwrap().to("b").unwrap();
            assert_eq!(monitor().snapshot().state_machine("forked").map(|machine| machine.begun), Some(1));
            begun_before.build().unwrap();
            assert_eq!(monitor().snapshot().state_machines().len(), 2);
        });
        child.succeeds();
        entity.to("a").unwrap();
        assert_eq!((machine.stats().begun, machine.stats().refused_count()), (1, 0));
    }

    fn an_inherited_state_machine_of_a_busy_process_hangs_nobody() {
        let local = local();
        let machine = local.state_machine("busy").state("a").state("b").transition("a", "b").transition("b", "a");
        let machine = machine.build().unwrap();
        let turn = |entity: &Entity| _ = entity.to(if entity.state() == "a" { "b" } else { "a" });
        let known = machine.entity("known").unwrap();
        under_load(
            |name| {
                let entity = machine.entity(name).unwrap();
                turn(&entity);
                let _ = machine.stats();
                machine.remove(if name == "known" { "nobody" } else { name });
            },
            || {
                turn(&known);
                let _ = (known.clone(), known.history(), machine.entities(), machine.stats());
                let _ = (machine.entity("known").is_err(), local.snapshot());
            },
        );
    }

    fn an_inherited_queue_or_cache_does_nothing_in_the_child() {
        let (mail, users) = (monitor().queue("mail"), monitor().cache("users"));
        let get = users.kind("get");
        let (waits, thrown_away) = (mail.enqueued(), mail.enqueue("item"));
        let (ends, fails, goes_back) = (mail.enqueued().start(), mail.enqueued().start(), mail.enqueued().start());
        get.hit();
        let child = forked(|| {
            assert_eq!(thrown_away.item(), &"item");
            drop((thrown_away, waits.start()));
            ends.succeed();
            fails.fail_with("of the child");
            goes_back.requeue().start().set_failed();
            mail.enqueued().start().succeed();
            mail.received(std::time::Duration::ZERO).succeed();
            mail.set_depth(99);
            for kind in [&get, &users.kind("new")] {
                kind.hit();
                assert!(kind.lookup(None::<u8>).is_none());
            }
            users.miss();
            users.record_lookup("get", true);
            users.set_entries(99);
            let (of_mail, of_users) = (mail.stats(), users.stats());
            assert_eq!((of_mail.name.as_str(), of_mail.enqueued, of_mail.depth), ("mail", 0, 0));
            assert_eq!((of_users.name.as_str(), of_users.lookups(), of_users.entries), ("users", 0, None));
            let snapshot = monitor().snapshot();
            assert!(snapshot.queues().is_empty() && snapshot.caches().is_empty() && snapshot.errors().is_empty());
            monitor().queue("mail").enqueued().start().succeed();
            assert_eq!(monitor().snapshot().queue("mail").unwrap().processed, 1);
        });
        child.succeeds();
        let (of_mail, of_users) = (mail.stats(), users.stats());
        // In the parent the tickets were dropped with the closure.
        assert_eq!((of_mail.enqueued, of_mail.discarded, of_mail.processed), (5, 2, 3));
        assert_eq!((of_mail.failed, of_mail.requeued, of_mail.depth_reported), (0, 0, false));
        assert_eq!((of_users.hits, of_users.misses, of_users.entries), (1, 0, None));
    }

    fn inherited_queues_and_caches_of_a_busy_process_hang_nobody() {
        let local = local();
        let (mail, users) = (local.queue("mail"), local.cache("users"));
        let get = users.kind("get");
        under_load(
            |name| {
                let waits = mail.enqueued();
                mail.enqueued().start().requeue().start().set_failed();
                let _ = (mail.stats(), local.queue(name).enqueued());
                waits.start().succeed();
                mail.set_depth(7);
                get.hit();
                users.record_lookup(name, false);
                let _ = (users.stats(), local.cache(name).stats());
            },
            || {
                let _ = (mail.enqueued(), mail.stats(), mail.set_oldest(None), local.queue("new in the child").stats());
                (0..100).for_each(|_| get.hit());
                users.record_lookup("new in the child", true);
                let _ = (users.kind("new in the child"), users.stats(), local.cache("new in the child").stats());
                let _ = (local.snapshot(), monitor().snapshot());
            },
        );
    }

    /// In a child of its own, in which nothing but metrics has told the monitor to look out for forks.
    fn an_inherited_metric_counts_in_the_child_alone_and_a_new_one_is_the_childs() {
        forked(|| {
            let local = local();
            let recorder = local.metrics_recorder();
            let ask = || (metrics::counter!("kept"), metrics::gauge!("depth"), metrics::histogram!("sizes"));
            let (kept, depth, sizes) = metrics::with_local_recorder(&recorder, ask);
            kept.increment(1);
            let count =
                |monitor: &Monitor| monitor.snapshot().metric("kept", &[]).and_then(monitor_core::MetricStats::counter);
            let child = forked(|| {
                kept.increment(5);
                kept.absolute(100);
                depth.increment(1.0);
                sizes.record(1e300);
                assert!(monitor().snapshot().metrics().is_empty(), "the child has metrics of its parent");
                assert!(local.snapshot().metrics().is_empty(), "the child has metrics of its parent");
                metrics::with_local_recorder(&recorder, || {
                    metrics::describe_counter!("kept", "of the child");
                    metrics::counter!("kept").increment(2);
                });
                assert_eq!((count(&monitor()), count(&local)), (Some(2), Some(2)));
            });
            child.succeeds();
            kept.increment(1);
            assert_eq!(count(&local), Some(2));
        })
        .succeeds();
    }

    fn inherited_metrics_of_a_busy_process_hang_nobody() {
        let local = local();
        let recorder = local.metrics_recorder();
        let kept = metrics::with_local_recorder(&recorder, || metrics::histogram!("kept"));
        // New names, label sets and octaves all the time: whatever asks for memory or takes a lock.
        let write = |name: &str| {
            metrics::with_local_recorder(&recorder, || {
                metrics::counter!(name.to_owned()).increment(1);
                metrics::histogram!("values", "name" => name.to_owned()).record(1.0);
                metrics::describe_counter!(name.to_owned(), "a description");
            });
            kept.record(f64::from_bits(bits_of(name)));
            let _ = local.snapshot();
        };
        under_load(write, || (0..50).for_each(|n| write(&format!("child {n}"))));
    }

    /// Bits for a float of any magnitude, the same for the same name.
    fn bits_of(name: &str) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish()
    }

    fn a_backtrace_that_another_thread_takes_hangs_nobody() {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::black_box(std::backtrace::Backtrace::force_capture().to_string());
                }
            });
            let children: Vec<_> = (0..50)
                .map(|_| {
                    forked(|| {
                        monitor().error_with("of the child").record();
                        assert_eq!(monitor().snapshot().errors()[0].count, 1);
                    })
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            children.into_iter().for_each(Child::succeeds);
        });
    }

    fn a_child_of_an_error_that_forks_has_errors_with_texts() {
        struct Forks;
        impl std::fmt::Display for Forks {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                forked(|| {
                    monitor().error_with("of the child").record();
                    assert_eq!(monitor().snapshot().errors()[0].pattern, "of the child");
                })
                .succeeds();
                f.write_str("forks")
            }
        }
        let local = local();
        local.error_with(&Forks).record();
        assert_eq!(local.snapshot().errors()[0].pattern, "forks");
    }

    fn operations_by_id_are_the_parents_and_the_child_begins_its_own() {
        let local = local();
        local.begin("a", "job").start().unwrap();
        let (begin, end) = (local.begin("b", "job"), local.end("a"));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // The lock of the table is held most of the time.
            let busy = || {
                while !done.load(Ordering::Relaxed) {
                    local.begin("busy", "job").start().unwrap();
                    local.end("busy").finish().unwrap();
                }
            };
            scope.spawn(busy);
            for _ in 0..20 {
                forked(|| {
                    assert!(local.operation_by_id("a").is_none() && local.active().is_empty());
                    assert!(matches!(local.end("a").finish(), Err(OperationIdError::NeverBegun { .. })));
                    local.begin("a", "in_child").start().unwrap();
                    local.step("a", "x").unwrap();
                    monitor().end("a").finish().unwrap();
                    assert_eq!(counts(&monitor(), "in_child"), [1, 1, 0, 0, 0, 0]);
                })
                .succeeds();
            }
            done.store(true, Ordering::Relaxed);
        });
        forked(|| {
            // Made by the parent, and the child's when it says the last word.
            assert!(matches!(
                end.finish(),
                Err(OperationIdError::AlreadyEnded { .. } | OperationIdError::NeverBegun { .. })
            ));
            begin.start().unwrap();
            assert_eq!(monitor().active().len(), 1);
        })
        .succeeds();
        // The parent's copies of the two were dropped, which is their last word too.
        assert!(!local.operation_by_id("a").unwrap().is_running() && local.operation_by_id("b").unwrap().is_running());
        assert_eq!(counts(&local, "in_child"), [0; 6]);
    }

    fn traces_that_begin_in_a_child_are_none_of_its_parent() {
        // In a child, so that this process goes on as if it had used nothing of the monitor.
        forked(|| {
            let before = Context::new_trace().trace_id().unwrap();
            let (mut here, mut there) = UnixStream::pair().unwrap();
            let child = forked(|| {
                let trace = Context::new_trace().trace_id().unwrap();
                there.write_all(&trace.get().to_be_bytes()).unwrap();
            });
            let mut of_child = [0; 16];
            here.read_exact(&mut of_child).unwrap();
            let after = Context::new_trace().trace_id().unwrap();
            assert!(after != before && after.get() != u128::from_be_bytes(of_child));
            child.succeeds();
        })
        .succeeds();
    }

    fn a_child_goes_on_in_the_trace_that_it_was_forked_in() {
        let operation = monitor().operation("of the parent").start();
        let context = Context::current();
        let (trace, span) = (context.trace_id(), context.span_id());
        let held = async {
            let _held = monitor().operation("held").start();
            yield_once().await;
            monitor().track("in future", |_| ());
        };
        let mut future = Box::pin(held.in_context(context.clone()));
        let dropped = Box::pin(async { yield_once().await }.tracked("dropped").in_context(context.clone()));
        assert!(poll_once(future.as_mut()).is_pending());
        context.in_context(|| {
            forked(|| {
                monitor().track("inside", |_| ());
                context.in_context(|| monitor().track("entered", |_| ()));
                assert!(poll_once(future.as_mut()).is_ready());
                drop(dropped);
                let records = monitor().recent(10);
                assert_eq!(records.len(), 3);
                for record in records {
                    assert_eq!((record.trace_id, record.parent_span_id), (trace, span), "{}", record.name);
                    assert_eq!(record.parent, None, "it is one of another process");
                }
                assert_eq!(context.traceparent().map(|header| header.span_id), span);
            })
            .succeeds();
            monitor().track("inside", |_| ());
        });
        let record = &monitor().recent(1)[0];
        assert_eq!((record.parent_span_id, record.parent), (span, Some(operation.id())));
    }

    fn a_fork_while_others_enter_contexts_and_read_hangs_nobody() {
        let local = local();
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = Context::from_traceparent(header).with_field("tenant", "acme");
        under_load(
            |name| {
                local.scope(|| {
                    let body = async {
                        let _held = monitor().operation("held").start();
                        yield_once().await;
                    };
                    let mut future = Box::pin(body.tracked("future").in_context(context.clone()));
                    assert!(poll_once(future.as_mut()).is_pending());
                    let moved = context.in_context(|| monitor().operation(name).start());
                    drop((moved, local.active()));
                });
            },
            || {
                local.scope(|| {
                    context.in_context(|| monitor().track("of the child", |_| ()));
                    let mut future = Box::pin(async { yield_once().await }.tracked("of the child"));
                    assert!(poll_once(future.as_mut()).is_pending());
                });
                assert!(local.recent(10).iter().any(|record| record.trace_id == context.trace_id()));
            },
        );
    }

    fn spans_of_the_layer_are_the_parents_and_the_child_makes_its_own() {
        use tracing_subscriber::prelude::*;

        let of_parent = local();
        let _events = of_parent.tracing_events().failures(true).stuck_after(std::time::Duration::from_hours(1)).start();
        let subscriber = tracing_subscriber::registry().with(of_parent.tracing_layer());
        tracing::subscriber::with_default(subscriber, || {
            of_parent.scope(|| {
                let foreign = Context::new_trace().in_context(|| tracing::info_span!("foreign"));
                let (entered, kept) = (tracing::info_span!("entered").entered(), tracing::info_span!("kept"));
                let foreign = foreign.entered();
                kept.in_scope(|| ());
                let child = forked(|| {
                    drop((foreign, entered));
                    kept.in_scope(|| tracing::error!("of the child"));
                    drop(kept);
                    tracing::info_span!("new").in_scope(|| tracing::info_span!("inner").in_scope(|| ()));
                    tracing::error!("of the child");
                    assert_eq!(counts(&monitor(), "new"), [1, 1, 0, 0, 0, 0]);
                    assert_eq!(monitor().recent(9).len(), 2);
                    assert_eq!(monitor().snapshot().errors()[0].count, 1 + 1);
                    assert!(monitor().active().is_empty() && Context::current().trace_id().is_none());
                });
                child.succeeds();
                // With the closure of the child the parent has dropped its own.
                assert!(of_parent.active().is_empty());
            });
        });
        for name in ["foreign", "entered", "kept"] {
            assert_eq!(counts(&of_parent, name), [1, 1, 0, 0, 0, 0], "{name}");
        }
        assert!(of_parent.snapshot().operation("new").is_none());
    }

    pub(super) const ALL: &[(&str, fn())] = &[
        ("traces_that_begin_in_a_child_are_none_of_its_parent", traces_that_begin_in_a_child_are_none_of_its_parent),
        // The first in this process: nothing but jobs has told the monitor to look out for forks.
        ("an_inherited_job_does_nothing_in_the_child", an_inherited_job_does_nothing_in_the_child),
        ("parent_and_child_go_on_and_the_child_begins_clean", parent_and_child_go_on_and_the_child_begins_clean),
        ("a_call_that_runs_while_forking_is_the_parents_alone", a_call_that_runs_while_forking_is_the_parents_alone),
        ("a_fork_inside_a_scope_leaves_it_to_the_parent", a_fork_inside_a_scope_leaves_it_to_the_parent),
        (
            "a_child_that_leaves_an_inherited_scope_records_into_its_own_monitor",
            a_child_that_leaves_an_inherited_scope_records_into_its_own_monitor,
        ),
        (
            "an_inherited_future_ends_in_the_child_without_being_counted",
            an_inherited_future_ends_in_the_child_without_being_counted,
        ),
        ("calls_inside_an_inherited_future_are_the_childs", calls_inside_an_inherited_future_are_the_childs),
        ("an_inherited_handle_of_the_process_is_harmless", an_inherited_handle_of_the_process_is_harmless),
        ("a_child_goes_on_in_the_trace_that_it_was_forked_in", a_child_goes_on_in_the_trace_that_it_was_forked_in),
        (
            "a_fork_while_others_enter_contexts_and_read_hangs_nobody",
            a_fork_while_others_enter_contexts_and_read_hangs_nobody,
        ),
        ("a_fork_while_others_count_and_read_hangs_nobody", a_fork_while_others_count_and_read_hangs_nobody),
        ("a_fork_while_others_record_at_full_speed_is_safe", a_fork_while_others_record_at_full_speed_is_safe),
        (
            "a_fork_while_others_record_into_a_local_monitor_hangs_nobody",
            a_fork_while_others_record_into_a_local_monitor_hangs_nobody,
        ),
        ("an_inherited_handle_of_a_busy_process_hangs_nobody", an_inherited_handle_of_a_busy_process_hangs_nobody),
        (
            "a_state_machine_that_is_inherited_refuses_and_the_child_defines_its_own",
            a_state_machine_that_is_inherited_refuses_and_the_child_defines_its_own,
        ),
        (
            "an_inherited_state_machine_of_a_busy_process_hangs_nobody",
            an_inherited_state_machine_of_a_busy_process_hangs_nobody,
        ),
        (
            "an_inherited_metric_counts_in_the_child_alone_and_a_new_one_is_the_childs",
            an_inherited_metric_counts_in_the_child_alone_and_a_new_one_is_the_childs,
        ),
        ("inherited_metrics_of_a_busy_process_hang_nobody", inherited_metrics_of_a_busy_process_hang_nobody),
        (
            "an_inherited_queue_or_cache_does_nothing_in_the_child",
            an_inherited_queue_or_cache_does_nothing_in_the_child,
        ),
        (
            "inherited_queues_and_caches_of_a_busy_process_hang_nobody",
            inherited_queues_and_caches_of_a_busy_process_hang_nobody,
        ),
        (
            "operations_by_id_are_the_parents_and_the_child_begins_its_own",
            operations_by_id_are_the_parents_and_the_child_begins_its_own,
        ),
        ("a_backtrace_that_another_thread_takes_hangs_nobody", a_backtrace_that_another_thread_takes_hangs_nobody),
        ("a_child_of_an_error_that_forks_has_errors_with_texts", a_child_of_an_error_that_forks_has_errors_with_texts),
        (
            "spans_of_the_layer_are_the_parents_and_the_child_makes_its_own",
            spans_of_the_layer_are_the_parents_and_the_child_makes_its_own,
        ),
    ];
}

fn main() {
    #[cfg(unix)]
    {
        // SAFETY: there is no other thread yet.
        unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "1") };
        let failed: Vec<_> = cases::ALL.iter().filter(|(_, case)| std::panic::catch_unwind(case).is_err()).collect();
        for (name, _) in cases::ALL {
            let ended = if failed.iter().any(|(other, _)| other == name) { "FAILED" } else { "ok" };
            println!("test {name} ... {ended}");
        }
        assert!(failed.is_empty(), "{} of {} failed", failed.len(), cases::ALL.len());
    }
}
