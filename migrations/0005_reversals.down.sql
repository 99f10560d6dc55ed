-- The way back: entries and grants stay as reversals left them, and what each undid is forgotten.

ALTER TYPE entry_row DROP ATTRIBUTE about;
DROP INDEX entries_about;
ALTER TABLE entries DROP COLUMN about;
