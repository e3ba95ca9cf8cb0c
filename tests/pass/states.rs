//! Every form of the derive, under the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs)]
#![forbid(unsafe_code)]

use std::time::Duration;

use monitor_core::{Monitor, MonitorState};

/// All arguments.
#[derive(MonitorState, Clone, Copy, Debug, PartialEq, Eq)]
#[monitor_state(name = "nightly backup", stuck_after = "20m", crate = monitor_core)]
pub enum Backup {
    /// Begins here.
    #[state(initial, to(Scanning), stuck_after = "never")]
    Idle,
    /// Several ways out, with triggers and without, and round again.
    #[state(to(Copying = "scanned", Copying = "resumed", Scanning = "again", Scanning, Failed,))]
    Scanning,
    /// Two attributes.
    #[state(to(Done))]
    #[state(stuck_after = "1h", name = "copying files")]
    Copying,
    /// The end.
    #[state(terminal)]
    Done,
    /// Another one.
    #[state(terminal, name = "given up")]
    Failed,
}

/// Nothing but what is needed: no other derive, no `#[monitor_state]`, raw names, places of its own.
#[derive(MonitorState)]
#[repr(u8)]
#[non_exhaustive]
enum HTTPDoor {
    #[state(to(r#Type))]
    OpenWide = 7,
    #[state(initial, to(OpenWide))]
    r#Type = 3,
}

/// Names of the prelude are nobody's here.
mod shadowed {
    #![allow(dead_code, non_camel_case_types)]

    struct Option;
    struct Some;
    struct None;
    struct Duration;
    struct usize;
    struct str;
    mod core {}
    mod std {}

    #[derive(::monitor_core::MonitorState)]
    #[monitor_state(stuck_after = "250ms")]
    pub(super) enum Lamp {
        #[state(initial, to(On))]
        Off,
        #[state(to(Off), stuck_after = "2d")]
        On,
    }
}

/// The crate under another name, and an enum out of a macro.
mod reexported {
    mod facade {
        pub(super) use monitor_core as core_of_it;
    }

    macro_rules! states {
        ($name:ident: $first:ident, $second:ident on $trigger:literal) => {
            #[derive(facade::core_of_it::MonitorState)]
            #[monitor_state(crate = facade::core_of_it)]
            pub(super) enum $name {
                #[state(initial, to($second = $trigger))]
                $first,
                #[state(terminal)]
                $second,
            }
        };
    }

    states!(Short: Begin, End on "over");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Monitor::builder().build()?;
    let machine = local.state_machine_of::<Backup>()?;
    let entity = machine.entity("db1")?;
    assert_eq!((Backup::NAME, machine.machine().name()), ("nightly backup", "nightly backup"));
    entity.to(Backup::Scanning)?;
    entity.to(Backup::Scanning)?;
    entity.trigger("again")?;
    assert_eq!(entity.trigger("resumed")?.to(), Backup::Copying);
    assert_eq!(entity.entity().state(), "copying files");
    let stats = machine.machine().stats();
    let limits: Vec<_> = stats.states.iter().map(|state| (state.name.as_str(), state.stuck_after)).collect();
    let minutes = |minutes| Some(Duration::from_mins(minutes));
    assert_eq!(
        limits,
        [("idle", None), ("scanning", minutes(20)), ("copying files", minutes(60)), ("done", None), ("given up", None)]
    );
    for (index, state) in
        [Backup::Idle, Backup::Scanning, Backup::Copying, Backup::Done, Backup::Failed].iter().enumerate()
    {
        assert_eq!((state.index(), Backup::from_index(index)), (index, Some(*state)));
    }
    assert_eq!((Backup::from_index(5), Backup::initial()), (None, Backup::Idle));

    let machine = local.state_machine_of::<HTTPDoor>()?;
    assert_eq!(machine.machine().name(), "http_door");
    let door = machine.entity("front")?;
    assert_eq!(door.to(HTTPDoor::OpenWide)?.transition().to_string(), "type → open_wide");
    assert!(matches!(door.state(), HTTPDoor::OpenWide));

    let lamp = local.state_machine_of::<shadowed::Lamp>()?.entity("desk")?;
    lamp.to(shadowed::Lamp::On)?;
    lamp.to(shadowed::Lamp::Off)?;

    let short = local.state_machine_of::<reexported::Short>()?.entity("one")?;
    assert!(short.trigger("over")?.transition().is_terminal());
    Ok(())
}
