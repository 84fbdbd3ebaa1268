//! Lists of extensions in files.

use model::Rights;
use store::NewExtension;

/// `number,name,password` and perhaps `rights,outside_number` per line, with or without that line as a head; fields may be in
/// double quotes. Empty rights or outside number: as it was.
pub(super) fn read_csv(text: &str) -> Result<Vec<NewExtension>, String> {
    let mut list = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() || (index == 0 && line.trim_start().starts_with("number")) {
            continue;
        }
        let fields = csv_fields(line).ok_or_else(|| format!("line {}: a quote is not closed", index + 1))?;
        let [number, name, password, more @ ..] = fields.as_slice() else {
            return Err(format!("line {}: {} fields instead of number,name,password", index + 1, fields.len()));
        };
        let [rights, outside_number] = match more {
            [] => [None, None],
            [rights] => [Some(rights), None],
            [rights, outside_number] => [Some(rights), Some(outside_number)],
            _ => return Err(format!("line {}: more than number,name,password,rights,outside_number", index + 1)),
        }
        .map(|field| field.filter(|field| !field.is_empty()).cloned());
        let rights = match rights.as_deref().map(|name| (name, Rights::of_name(name))) {
            Some((name, None)) => {
                let names = "internal, local, national or international";
                return Err(format!("line {}: \"{name}\" are no rights; write {names}, or nothing", index + 1));
            }
            known => known.and_then(|(_, rights)| rights),
        };
        let (number, name, password) = (number.clone(), name.clone(), password.clone());
        list.push(NewExtension { number, name, password, rights, outside_number });
    }
    Ok(list)
}

/// The fields of a line (RFC 4180 without line breaks in fields). `None` if a quote is not closed.
fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next()? {
                    (_, '"') if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        chars.next();
                        field.push('"');
                    }
                    (at, '"') => break at + 1,
                    (_, c) => field.push(c),
                }
            };
            fields.push(field);
            match quoted[end..].strip_prefix(',') {
                Some(more) => rest = more,
                None => return Some(fields),
            }
        } else if let Some((field, more)) = rest.split_once(',') {
            fields.push(field.trim().to_owned());
            rest = more;
        } else {
            fields.push(rest.trim().to_owned());
            return Some(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_files_of_all_sorts_are_read() {
        let text = "\u{feff}number,name,password\r\n1001,Ana,secret-1\n\n\"1002\",\"Li, \"\"Ming\"\"\",secret-2\n1003,,secret-3\n";
        let list = read_csv(text).unwrap();
        let told: Vec<_> = list.iter().map(|e| (e.number.as_str(), e.name.as_str(), e.password.as_str())).collect();
        assert_eq!(told, [("1001", "Ana", "secret-1"), ("1002", "Li, \"Ming\"", "secret-2"), ("1003", "", "secret-3")]);
        let list =
            read_csv("1001,Ana,secret-1,local,057188886666\n1002,Li,secret-2,,\n1003,Bo,secret-3,internal").unwrap();
        let told: Vec<_> = list.iter().map(|e| (e.rights, e.outside_number.as_deref())).collect();
        assert_eq!(told, [(Some(Rights::Local), Some("057188886666")), (None, None), (Some(Rights::Internal), None)]);
        assert!(read_csv("1001,Ana,x,king").err().unwrap().contains("\"king\" are no rights"));
        assert!(read_csv("1,2,3,,5,6").err().unwrap().contains("line 1: more than"));
        assert!(read_csv("1001,Ana").err().unwrap().contains("line 1: 2 fields"));
        assert!(read_csv("number,name,password\n1001,\"Ana,x").err().unwrap().contains("line 2: a quote"));
    }
}
