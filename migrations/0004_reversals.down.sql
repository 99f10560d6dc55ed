-- The way back: entries and grants stay as reversals left them, and what each undid is forgotten.

ALTER TYPE grant_change DROP ATTRIBUTE restored_at;
ALTER TYPE grant_row DROP ATTRIBUTE restored_at;
ALTER TYPE entry_row DROP ATTRIBUTE about;
ALTER TABLE grants DROP COLUMN restored_at;
DROP INDEX entries_about;
ALTER TABLE entries DROP COLUMN about;
