SELECT * FROM `afe_special_tasks` WHERE is_complete = 0
