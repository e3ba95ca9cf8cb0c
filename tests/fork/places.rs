//! What is kept in files.

use std::io::ErrorKind;

use monitor_core::{AuditLog, Checkpoints as _, Monitor, SqliteCheckpoints};
use tests::folder::Folder;

use super::process::forked;

pub(super) fn an_audit_trail_and_a_place_for_checkpoints_are_the_parents() {
    let folder = Folder::new("fork-places");
    let log = AuditLog::open(folder.file("monitor.db")).unwrap();
    let local = Monitor::builder().audit_trail(log.clone()).build().unwrap();
    let checkpoints = SqliteCheckpoints::open(folder.file("monitor.db")).unwrap();
    local.audit("alice", "fork").write().unwrap();
    checkpoints.save("job", b"1").unwrap();
    let begun = local.audit("alice", "begun before");
    let dropped = AuditLog::open(folder.file("monitor.db")).unwrap();
    dropped.record("alice", "hold").write().unwrap();
    let (mine, place) = (&log, &checkpoints);
    forked(move || {
        let (log, checkpoints) = (mine, place);
        assert!(begun.write().unwrap_err().is_unavailable());
        assert!(log.record("child", "write").write().unwrap_err().is_unavailable());
        let error = log.verify().unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("before a fork"), "{error}");
        assert!(log.head().unwrap_err().is_unavailable());
        drop(dropped);
        assert!(local.audit("child", "write").write().unwrap_err().is_no_place(), "its monitor is another one");
        assert_eq!(checkpoints.save("job", b"2").unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(checkpoints.load("job").unwrap_err().kind(), ErrorKind::Unsupported);
        drop(local);
    })
    .succeeds();
    log.record("alice", "go on").write().unwrap();
    assert_eq!(log.verify().unwrap().to_string(), "3 entries, 1 to 3, intact");
    assert_eq!(checkpoints.load("job").unwrap().unwrap(), b"1");
}
