use crate::failure::Failure;
pub(crate) fn run(_: &crate::flags::CallFlags) -> Result<bool, Failure> { Err(Failure::Usage(String::new())) }
