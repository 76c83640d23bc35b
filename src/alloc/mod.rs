pub mod size_class;
pub use size_class::size_class;
