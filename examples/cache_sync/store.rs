//! The store: a folder with a file for each user, `name` on the first line and `visits` on the second.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use monitor_core::track_operation;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) visits: u64,
}

#[derive(Debug)]
pub(crate) enum StoreError {
    File(io::Error),
    Damaged { id: u32 },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::File(error) => write!(f, "the store cannot be reached: {error}"),
            StoreError::Damaged { id } => write!(f, "the file of user {id} is damaged"),
        }
    }
}

impl std::error::Error for StoreError {}

pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(crate) fn create(folder: &Path) -> Result<Store, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::File)?;
        Ok(Store { folder: folder.to_owned() })
    }

    pub(crate) fn path(&self, id: u32) -> PathBuf {
        self.folder.join(format!("{id}.user"))
    }

    /// A user; `None` if there is none with that id.
    #[track_operation(name = "store.fetch", kind = "database", component = "store", fields(id))]
    pub(crate) fn fetch(&self, id: u32) -> Result<Option<User>, StoreError> {
        self.read(id)
    }

    /// Those of the users that there are.
    #[track_operation(name = "store.fetch_many", kind = "bulk", component = "store", items = ids.len())]
    pub(crate) fn fetch_many(&self, ids: &[u32]) -> Result<Vec<User>, StoreError> {
        ids.iter().filter_map(|id| self.read(*id).transpose()).collect()
    }

    #[track_operation(name = "store.save", kind = "database", component = "store", bytes = user.name.len(), fields(id = user.id))]
    pub(crate) fn save(&self, user: &User) -> Result<(), StoreError> {
        // Beside it first: nobody reads half a user.
        let (path, beside) =
            (self.path(user.id), self.folder.join(format!("{}.{:?}", user.id, std::thread::current().id())));
        fs::write(&beside, format!("{}\n{}\n", user.name, user.visits)).map_err(StoreError::File)?;
        fs::rename(&beside, path).map_err(StoreError::File)
    }

    #[track_operation(name = "store.delete", kind = "database", component = "store", fields(id))]
    pub(crate) fn delete(&self, id: u32) -> Result<(), StoreError> {
        fs::remove_file(self.path(id)).map_err(StoreError::File)
    }

    fn read(&self, id: u32) -> Result<Option<User>, StoreError> {
        let text = match fs::read_to_string(self.path(id)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(StoreError::File)?,
        };
        let (name, visits) = text.split_once('\n').ok_or(StoreError::Damaged { id })?;
        let visits = visits.trim_end().parse().map_err(|_| StoreError::Damaged { id })?;
        Ok(Some(User { id, name: name.to_owned(), visits }))
    }
}
