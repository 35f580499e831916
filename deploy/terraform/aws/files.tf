# NFS that all tasks share: bundles, reports, working copies, and the spool, whose rows any replica
# replays when the one that wrote them is gone (docs/adr/0017). Locks and fsync hold across tasks.
resource "aws_efs_file_system" "this" {
  creation_token  = local.name
  encrypted       = true
  kms_key_id      = aws_kms_key.this.arn
  throughput_mode = "elastic"
  tags            = { Name = local.name }
}

resource "aws_efs_backup_policy" "this" {
  count          = var.protected ? 1 : 0
  file_system_id = aws_efs_file_system.this.id
  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_mount_target" "this" {
  count           = 2
  file_system_id  = aws_efs_file_system.this.id
  subnet_id       = aws_subnet.private[count.index].id
  security_groups = [aws_security_group.files.id]
}

resource "aws_efs_access_point" "this" {
  for_each       = toset(["bundles", "reports", "spool", "retrains"])
  file_system_id = aws_efs_file_system.this.id
  posix_user {
    uid = 10001
    gid = 10001
  }
  root_directory {
    path = "/${each.key}"
    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0750"
    }
  }
}
