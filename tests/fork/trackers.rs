//! What a program holds on to: jobs, state machines, operations by id.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use monitor_core::{CheckpointErrorKind, Entity, MemoryCheckpoints, Monitor, OperationIdError, Refusal, monitor};
use tests::folder::Folder;
use tests::{counts, local};

use super::process::{forked, under_load};

pub(super) fn an_inherited_job_does_nothing_in_the_child() {
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

pub(super) fn a_fork_while_others_count_and_read_hangs_nobody() {
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

pub(super) fn a_state_machine_that_is_inherited_refuses_and_the_child_defines_its_own() {
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

pub(super) fn an_inherited_state_machine_of_a_busy_process_hangs_nobody() {
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

pub(super) fn operations_by_id_that_are_shared_in_a_file_are_left_to_the_parent() {
    let folder = Folder::new("fork");
    let monitor_of = || Monitor::builder().sqlite(folder.file("monitor.db")).build().unwrap();
    let (local, other) = (monitor_of(), monitor_of());
    local.begin("a", "job").start().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // The file is being written to most of the time.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                local.begin("busy", "job").start().unwrap();
                local.end("busy").finish().unwrap();
            }
        });
        for _ in 0..20 {
            forked(|| {
                assert!(matches!(local.end("a").finish(), Err(OperationIdError::NeverBegun { .. })));
                local.begin("a", "in_child").start().unwrap();
                local.end("a").finish().unwrap();
                assert!(local.operation_by_id("busy").is_none());
            })
            .succeeds();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(other.operation_by_id("a").unwrap().is_running());
    other.end("a").finish().unwrap();
}

pub(super) fn operations_by_id_are_the_parents_and_the_child_begins_its_own() {
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
