//! What the derive does not go on, and arguments of the enum.
use monitor_core::MonitorState;

#[derive(MonitorState)]
struct Thing;

#[derive(MonitorState)]
union Either {
    a: u8,
    b: i8,
}

#[derive(MonitorState)]
enum Empty {}

#[derive(MonitorState)]
enum Generic<const N: usize> {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
enum WithFields {
    #[state(initial, to(B))]
    A,
    #[state(terminal)]
    B { code: u8 },
}

#[derive(MonitorState)]
#[monitor_state(nam = "x")]
enum UnknownArgument {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state]
enum NoArguments {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state(name = "")]
enum EmptyName {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state(name = 5)]
enum NumberName {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state(name = "a", name = "b")]
enum NameTwice {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state(stuck_after = "15 minutes")]
enum BadDuration {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state(stuck_after = 15)]
enum NumberDuration {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[monitor_state(crate = "monitor")]
enum CrateText {
    #[state(initial)]
    A,
}

#[derive(MonitorState)]
#[state(initial)]
enum AttributeOfVariant {
    #[state(initial)]
    A,
}

fn main() {}
