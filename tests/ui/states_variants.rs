//! Arguments of variants, and what they mean together.
use monitor_core::MonitorState;

#[derive(MonitorState)]
enum UnknownArgument {
    #[state(initial, too(B))]
    A,
    B,
}

#[derive(MonitorState)]
enum AttributeOfEnum {
    #[monitor_state(name = "a")]
    A,
}

#[derive(MonitorState)]
enum UnknownTarget {
    #[state(initial, to(Z))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum NoInitial {
    #[state(to(B))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum TwoInitial {
    #[state(initial, to(B))]
    A,
    #[state(initial, to(A))]
    B,
}

#[derive(MonitorState)]
enum TerminalWithTo {
    #[state(initial, to(B))]
    A,
    #[state(terminal, to(A))]
    B,
}

#[derive(MonitorState)]
enum TerminalInitial {
    #[state(initial, terminal)]
    A,
}

#[derive(MonitorState)]
enum TerminalStuck {
    #[state(initial, to(B))]
    A,
    #[state(terminal, stuck_after = "1h")]
    B,
}

#[derive(MonitorState)]
enum BadDuration {
    #[state(initial, to(B), stuck_after = "1w")]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum NoWayOut {
    #[state(initial, to(B))]
    A,
    B,
}

#[derive(MonitorState)]
enum NeverReached {
    #[state(initial, to(B))]
    A,
    #[state(terminal)]
    B,
    #[state(to(B))]
    C,
}

#[derive(MonitorState)]
enum SameName {
    #[state(initial, to(B))]
    A,
    #[state(terminal, name = "a")]
    B,
}

#[derive(MonitorState)]
enum TransitionTwice {
    #[state(initial, to(B = "go", B, B = "go"))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum InitialWithValue {
    #[state(initial = true, to(B))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum InitialTwice {
    #[state(initial, initial, to(B))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum ToWithoutList {
    #[state(initial, to = B)]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum ToEmpty {
    #[state(initial, to())]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum ToText {
    #[state(initial, to("B"))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum TriggerNoText {
    #[state(initial, to(B = 5))]
    A,
    #[state(terminal)]
    B,
}

#[derive(MonitorState)]
enum TriggerEmpty {
    #[state(initial, to(B = ""))]
    A,
    #[state(terminal)]
    B,
}

fn main() {}
