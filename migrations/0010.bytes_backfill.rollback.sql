SET lock_timeout = '5s';

-- The counts stay: they are true, and whatever an older build touches becomes unknown once 0009 is rolled back, too.
