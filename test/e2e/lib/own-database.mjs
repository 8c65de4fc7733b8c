// Import this before anything that connects: the test then has the database with the schema realtime.
process.env.E2E_DATABASE_URL = process.env.E2E_MESSAGES_URL
