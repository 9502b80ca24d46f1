/** The name of the table in its log, and of the folder that everything of it lies in. */
export const TABLE_NAME = "tweets";
