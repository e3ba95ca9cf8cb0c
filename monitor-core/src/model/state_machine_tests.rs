use super::*;

const MS: u64 = 1_000_000;

fn state(name: &str, stays_ms: &[u64], entities: u64) -> StateStats {
    let mut durations = Histogram::new();
    for stay in stays_ms {
        durations.record(stay * MS);
    }
    let left = stays_ms.len() as u64;
    StateStats {
        name: name.into(),
        stuck_after: Some(Duration::from_mins(15)),
        entities,
        entered: left + entities,
        left,
        total_time: Duration::from_millis(stays_ms.iter().sum()),
        durations,
        ..StateStats::default()
    }
}

fn entity(id: &str, minutes: u64) -> EntityStats {
    let begun_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    EntityStats {
        id: id.into(),
        state: "copying".into(),
        begun_at,
        since: begun_at + Duration::from_secs(5),
        time_in_state: Duration::from_mins(minutes),
        stuck_after: Some(Duration::from_mins(15)),
        transitions: 2,
    }
}

fn record() -> TransitionRecord {
    TransitionRecord {
        entity: "db1".into(),
        from: "scanning".into(),
        to: "copying".into(),
        trigger: Some("scanned".into()),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_005),
        time_in_state: Duration::from_millis(7),
    }
}

pub(in crate::model) fn machine(name: &str, stays_ms: &[u64], made: u64) -> StateMachineStats {
    let terminal = StateStats { terminal: true, stuck_after: None, entered: made, ..state("done", &[], 0) };
    StateMachineStats {
        name: name.into(),
        entities: 2,
        begun: 2 + made,
        ended: made,
        states: vec![state("copying", stays_ms, 2), terminal],
        transitions: vec![
            TransitionStats { from: "copying".into(), to: "done".into(), trigger: None, count: made },
            TransitionStats { from: "copying".into(), to: "done".into(), trigger: Some("give up".into()), count: 1 },
        ],
        refused: [("guard".to_owned(), made), ("undeclared".to_owned(), 1)].into(),
        stuck_entities: 1,
        stuck: vec![entity("db2", 16)],
        oldest: vec![entity("db2", 16), entity("db1", 3)],
        recent: vec![record()],
        ..StateMachineStats::default()
    }
}

#[test]
fn a_machine_round_trips_with_its_units_in_the_names() {
    let machine = machine("backup", &[1, 2, 700], 3);
    let json = serde_json::to_value(&machine).unwrap();
    assert_eq!(json["states"][0]["stuck_after_ns"], 900_000_000_000_u64);
    assert_eq!(json["states"][0]["total_time_ns"], 703_000_000);
    assert_eq!(json["stuck"][0]["time_in_state_ns"], 960_000_000_000_u64);
    assert_eq!(json["recent"][0]["at_ns"], 1_700_000_005_000_000_000_i64);
    assert_eq!((&json["states"][1]["stuck_after_ns"], &json["refused"]["guard"]), (&().into(), &3.into()));
    assert_eq!(serde_json::from_value::<StateMachineStats>(json).unwrap(), machine);
}

#[test]
fn an_ended_entity_and_a_refusal_round_trip() {
    let ended = EndedEntity {
        id: "db1".into(),
        state: "done".into(),
        begun_at: SystemTime::UNIX_EPOCH,
        ended_at: SystemTime::UNIX_EPOCH + Duration::from_secs(9),
        lifetime: Duration::from_secs(9),
        transitions: 1,
        history: vec![record()],
    };
    let json = serde_json::to_string(&ended).unwrap();
    assert_eq!(serde_json::from_str::<EndedEntity>(&json).unwrap(), ended);
    for refusal in Refusal::ALL {
        let json = serde_json::to_value(refusal).unwrap();
        assert_eq!(json, refusal.as_str(), "the word is the same everywhere");
        assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
    }
}

#[test]
fn figures_that_an_older_version_did_not_write_read_as_none() {
    let machine: StateMachineStats = serde_json::from_str(r#"{"name":"backup"}"#).unwrap();
    assert_eq!((machine.name.as_str(), machine.entities, machine.states.len()), ("backup", 0, 0));
}

#[test]
fn a_difference_has_the_counts_in_between_and_who_is_where_now() {
    let (earlier, later) = (machine("backup", &[1, 2], 3), machine("backup", &[1, 2, 700], 5));
    let between = &all_since(&[later.clone(), machine("new", &[], 1)], &[earlier])[..];
    assert_eq!((between[0].ended, between[0].begun, between[0].transition_count()), (2, 2, 2));
    assert_eq!((between[0].refused_as(Refusal::Guard), between[0].refused_as(Refusal::Undeclared)), (2, 0));
    let copying = between[0].state("copying").unwrap();
    assert_eq!((copying.left, copying.mean()), (1, Duration::from_millis(700)));
    assert!(copying.percentile(0.0) > Duration::from_millis(680));
    assert_eq!((copying.entities, &between[0].stuck, &between[0].recent), (2, &later.stuck, &later.recent));
    assert_eq!(between[1], machine("new", &[], 1));
}

#[test]
fn stuck_is_longer_than_allowed_and_not_just_as_long() {
    assert!(entity("a", 16).is_stuck());
    assert!(!entity("a", 15).is_stuck());
    assert!(!EntityStats { stuck_after: None, ..entity("a", 1_000_000) }.is_stuck());
}

#[test]
fn a_transition_reads_as_an_arrow() {
    assert_eq!(record().to_string(), "scanning → copying (scanned)");
    assert_eq!(TransitionRecord { trigger: None, ..record() }.to_string(), "scanning → copying");
}

#[test]
fn without_a_stay_there_is_no_mean() {
    let empty = state("idle", &[], 1);
    assert_eq!((empty.mean(), empty.percentile(0.5)), (Duration::ZERO, Duration::ZERO));
}
