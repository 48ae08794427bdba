/**
 * The log of submissions: who asked for which index, and when, in a SQLite file that outlives the server
 * and the cache.
 *
 * SQLite as WebAssembly (npm's node-sqlite3-wasm), which needs neither a compiler nor a database server and
 * writes an ordinary file. It marks a file in use by a folder beside it, which a killed server leaves
 * behind; this server is the only one that opens its file, so a mark found at the start is such a one.
 */
import { rmSync } from 'node:fs';
import sqlite from 'node-sqlite3-wasm';

const SCHEMA = `CREATE TABLE IF NOT EXISTS submissions (
  id INTEGER PRIMARY KEY, number INTEGER NOT NULL, submitted TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)`;

export class Submissions {
  constructor(file) {
    rmSync(`${file}.lock`, { recursive: true, force: true });
    this.database = new sqlite.Database(file);
    this.database.exec(SCHEMA);
  }

  add(index) {
    this.database.run('INSERT INTO submissions (number) VALUES (?)', [index]);
  }

  /** All of them, the oldest first, as { number, submitted }. */
  all() {
    return this.database.all('SELECT number, submitted FROM submissions ORDER BY id');
  }

  close() {
    this.database.close();
  }
}
