//! The code in a document.

/// Pieces of code in a document, in the line or in a block, a command a line.
pub(crate) fn code(document: &str) -> Vec<String> {
    let (mut found, mut in_block) = (Vec::new(), false);
    let joined = document.replace("\\\n", " ");
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block || line.starts_with("    ") {
            let command = line.split(" # ").next().unwrap_or_default();
            found.push(command.split_whitespace().collect::<Vec<_>>().join(" "));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}
