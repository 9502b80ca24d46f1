// Makes a new database and ends: a process of its own, because the memory that this takes
// (0.3 GB) would stay with whoever does it.
import { openDatabase } from "./database.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: initialize <directory>");
const database = await openDatabase(directory);
await database.exec("CHECKPOINT");
await database.close();
process.exit(0);
