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
mod calls;
#[cfg(unix)]
mod contexts;
#[cfg(unix)]
mod errors;
#[cfg(unix)]
mod figures;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod places;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod trackers;

/// Cases with their names.
#[cfg(unix)]
macro_rules! cases {
    ($($module:ident::$case:ident,)+) => { &[$((stringify!($case), $module::$case)),+] };
}

#[cfg(unix)]
const CASES: &[(&str, fn())] = cases![
    contexts::traces_that_begin_in_a_child_are_none_of_its_parent,
    // The first in this process: nothing but jobs has told the monitor to look out for forks.
    trackers::an_inherited_job_does_nothing_in_the_child,
    calls::parent_and_child_go_on_and_the_child_begins_clean,
    calls::a_call_that_runs_while_forking_is_the_parents_alone,
    calls::a_fork_inside_a_scope_leaves_it_to_the_parent,
    calls::a_child_that_leaves_an_inherited_scope_records_into_its_own_monitor,
    calls::an_inherited_future_ends_in_the_child_without_being_counted,
    calls::calls_inside_an_inherited_future_are_the_childs,
    calls::an_inherited_handle_of_the_process_is_harmless,
    contexts::a_child_goes_on_in_the_trace_that_it_was_forked_in,
    contexts::a_fork_while_others_enter_contexts_and_read_hangs_nobody,
    trackers::a_fork_while_others_count_and_read_hangs_nobody,
    calls::a_fork_while_others_record_at_full_speed_is_safe,
    calls::a_fork_while_others_record_into_a_local_monitor_hangs_nobody,
    calls::an_inherited_handle_of_a_busy_process_hangs_nobody,
    trackers::a_state_machine_that_is_inherited_refuses_and_the_child_defines_its_own,
    trackers::an_inherited_state_machine_of_a_busy_process_hangs_nobody,
    figures::an_inherited_metric_counts_in_the_child_alone_and_a_new_one_is_the_childs,
    figures::inherited_metrics_of_a_busy_process_hang_nobody,
    figures::an_inherited_queue_or_cache_does_nothing_in_the_child,
    figures::inherited_queues_and_caches_of_a_busy_process_hang_nobody,
    trackers::operations_by_id_are_the_parents_and_the_child_begins_its_own,
    trackers::operations_by_id_that_are_shared_in_a_file_are_left_to_the_parent,
    errors::a_backtrace_that_another_thread_takes_hangs_nobody,
    errors::a_child_of_an_error_that_forks_has_errors_with_texts,
    places::an_audit_trail_and_a_place_for_checkpoints_are_the_parents,
    history::a_child_has_a_history_of_its_own_in_the_file_of_its_parent,
    history::a_child_goes_on_when_its_parent_has_closed_the_file,
    history::a_child_that_ran_no_handlers_refuses_every_file,
    history::a_run_is_dead_when_its_process_is_whatever_its_children_do,
    contexts::spans_of_the_layer_are_the_parents_and_the_child_makes_its_own,
];

fn main() {
    #[cfg(unix)]
    {
        // SAFETY: there is no other thread yet.
        unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "1") };
        // As with other tests: those whose name has the first argument.
        let wanted = std::env::args().nth(1).filter(|name| !name.starts_with('-')).unwrap_or_default();
        let cases = || CASES.iter().filter(|(name, _)| name.contains(&wanted));
        let failed: Vec<_> = cases().filter(|(_, case)| std::panic::catch_unwind(case).is_err()).collect();
        for (name, _) in cases() {
            let ended = if failed.iter().any(|(other, _)| other == name) { "FAILED" } else { "ok" };
            println!("test {name} ... {ended}");
        }
        assert!(failed.is_empty(), "{} of {} failed", failed.len(), cases().count());
    }
}
