//! State machines that several suites use.

use monitor_core::{Monitor, StateMachineBuilder};

/// `new`, `paid` on the trigger `payment`, then `shipped`; `cancelled` at any time.
pub fn order(monitor: &Monitor) -> StateMachineBuilder {
    monitor
        .state_machine("order")
        .state("new")
        .state("paid")
        .terminal("shipped")
        .terminal("cancelled")
        .transition("new", "paid")
        .on("payment")
        .transition("new", "cancelled")
        .transition("paid", "shipped")
        .transition("paid", "cancelled")
}

/// Goes round and round: `red`, `green`, `amber`, and from each straight to the end.
pub fn light(monitor: &Monitor) -> StateMachineBuilder {
    let mut builder = monitor.state_machine("light").terminal("dark");
    for (from, to) in [("red", "green"), ("green", "amber"), ("amber", "red")] {
        builder = builder.state(from).transition(from, to).transition(from, "dark");
    }
    builder.transition("green", "red").initial("off").transition("off", "red")
}
