//! What layers above the dispatcher keep with the engine, one value per type.
//!
//! The engine can't name their types. They put a part in when the server is composed, and their commands take it out again:
//!
//! ```
//! let parts = ochre::dispatch::Parts::default();
//! parts.put(std::sync::Arc::new(5_u32));
//! assert_eq!(parts.find::<u32>().as_deref(), Some(&5));
//! assert!(parts.find::<u8>().is_none());
//! ```

use std::any::Any;
use std::sync::Arc;

use parking_lot::RwLock;

/// See the module's head.
#[derive(Default)]
pub struct Parts(RwLock<Vec<Arc<dyn Any + Send + Sync>>>);

impl Parts {
    /// Adds a part, in the place of one of the same type.
    pub fn put<T: Any + Send + Sync>(&self, part: Arc<T>) {
        let mut parts = self.0.write();
        parts.retain(|part| !(**part).is::<T>());
        parts.push(part);
    }

    /// The part of that type.
    pub fn find<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let parts = self.0.read();
        let part = parts.iter().find(|part| (***part).is::<T>())?;
        Arc::clone(part).downcast().ok()
    }

    /// Lets go of all parts; they may hold the engine.
    pub fn clear(&self) {
        self.0.write().clear();
    }
}
