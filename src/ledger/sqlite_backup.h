// The last good copy of a SQLite ledger: `<file>.backup`, made while others write, and put in the file's place when that is damaged.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "sql/sqlite.h"

namespace sluice {

/// A backup is made after a run that changed something, where the one before is this old.
inline constexpr std::chrono::minutes kBackupInterval{10};

std::string backup_path(const std::string& ledger_path);

/// Whether there is no backup, or one made longer ago than kBackupInterval.
bool is_backup_due(const std::string& ledger_path, Timestamp now);

/// Copies the ledger behind `ledger`, checks the copy (FileCheck: the first one's pages, everything of one that replaces another), syncs it
/// and renames it into place: there is always the old backup or the new one. kCorruption: the ledger is damaged, and the backup stays as it
/// was. `ledger` is opened for this alone.
Result<void> make_backup(SqliteConnection& ledger, const std::string& ledger_path);

/// Whether there is a ledger and every page of it is as it should be.
bool is_sound(const std::string& ledger_path);

/// Checks the backup and puts it in the ledger's place. What was there is kept beside it (the returned path), with its log. The caller
/// sees to it that no worker lives. kNotFound: no backup; kCorruption: it is damaged itself, and nothing was changed.
Result<std::string> restore_backup(const std::string& ledger_path, Timestamp now);

}  // namespace sluice
